"""Payments: create, confirm, authenticate, capture, cancel, refund."""

from __future__ import annotations

from typing import Any

from . import disputes
from .account import Account, Result
from .cards import BY_NAME, Card
from .failures import ApiError, error_body
from .ids import random_text
from .ledger import Row, shown
from .methods import take_payment_method
from .transitions import demand

AUTHORISATION_SECONDS = 7 * 24 * 3600
"""How long money stays reserved that is not captured."""

CHALLENGE_PATH = "/challenge/"
"""Where the page stands on which a cardholder authenticates."""


def create(account: Account, data: dict[str, Any]) -> Result:
    """Create a payment, and charge it unless it waits for something."""
    if "customer" in data:
        account.refer("customer", data["customer"], "customer")
    method = data.get("payment_method")
    card = take_payment_method(account, method) if method else None
    payment = account.new("pay", "payment", _new_fields(data, card))
    if card is None or not data.get("confirm", True):
        account.emit("payment.created", payment)
        return Result(shown(payment))
    return _charge(account, payment, card, is_new=True)


def _new_fields(data: dict[str, Any], card: Card | None) -> Row:
    return {
        "amount": data["amount"],
        "amount_received": 0,
        "amount_refunded": 0,
        "currency": data["currency"],
        "status": "requires_confirmation" if card else "requires_payment_method",
        "description": data.get("description"),
        "payment_method": data.get("payment_method"),
        "customer": data.get("customer"),
        "metadata": data.get("metadata", {}),
        "receipt_email": data.get("receipt_email"),
        "_card": card.name if card else None,
        "_capture_method": data.get("capture_method", "automatic"),
        "_return_url": data.get("return_url"),
    }


def retrieve(account: Account, payment_id: str) -> Result:
    """Return the payment as it is."""
    return Result(shown(account.find("payment", payment_id)))


def confirm(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Charge a payment that waited for it, or failed before."""
    payment = account.find("payment", payment_id)
    demand(payment, "confirm")
    if "return_url" in data:
        payment = {**payment, "_return_url": data["return_url"]}
    if "payment_method" in data:
        method = data["payment_method"]
        card = take_payment_method(account, method)
        payment = {**payment, "payment_method": method, "_card": card.name}
    if payment["_card"] is None:
        raise ApiError(
            "parameter_missing",
            "Missing required parameter: payment_method (the payment has none yet)",
            param="payment_method",
        )
    return _charge(account, payment, BY_NAME[payment["_card"]], is_new=False)


def _charge(account: Account, payment: Row, card: Card, *, is_new: bool) -> Result:
    if card.needs_challenge:
        charged = _ask_for_authentication(account, payment)
    elif card.declines:
        charged = _change(account, payment, "failed", failure_reason=card.decline_code)
    else:
        charged = _approve(account, payment)
    if is_new:
        account.emit("payment.created", charged)
    _tell_outcome(account, charged, card)
    return _declined(charged, card) if charged["status"] == "failed" else Result(shown(charged))


def _ask_for_authentication(account: Account, payment: Row) -> Row:
    challenge = random_text(32)
    account.put("challenge", {"id": challenge, "payment": payment["id"]})
    return _change(
        account,
        payment,
        "requires_action",
        next_action={
            "type": "redirect_to_url",
            "redirect_to_url": {
                "url": account.page_url(CHALLENGE_PATH + challenge),
                "return_url": payment["_return_url"],
            },
        },
    )


def _approve(account: Account, payment: Row) -> Row:
    if payment["_capture_method"] == "manual":
        expires = account.clock() + AUTHORISATION_SECONDS
        authorised = _change(account, payment, "requires_capture", _expires=expires)
        account.watch(account.realm, authorised)
        return authorised
    return _change(account, payment, "succeeded", amount_received=payment["amount"])


def _tell_outcome(account: Account, payment: Row, card: Card) -> None:
    if payment["status"] == "failed":
        account.emit("payment.failed", payment)
    if payment["status"] == "succeeded":
        account.emit("payment.completed", payment)
        if card.result == "disputed":
            disputes.open_dispute(account, payment)


def _declined(payment: Row, card: Card) -> Result:
    body = error_body(
        "card_error",
        card.code,
        card.message,
        decline_code=card.decline_code,
        payment=shown(payment),
    )
    return Result(body, status=402)


def pass_challenge(account: Account, payment: Row) -> Row:
    """The cardholder authenticated: charge the card now."""
    demand(payment, "challenge")
    card = BY_NAME[payment["_card"]]
    if card.declines:
        charged = _change(account, payment, "failed", failure_reason=card.decline_code)
    else:
        charged = _approve(account, payment)
    _tell_outcome(account, charged, card)
    return charged


def refuse_challenge(account: Account, payment: Row) -> Row:
    """The cardholder did not authenticate."""
    demand(payment, "challenge")
    failed = _change(account, payment, "failed", failure_reason="authentication_failed")
    account.emit("payment.failed", failed)
    return failed


def capture(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Take the reserved money, or a part of it."""
    payment = account.find("payment", payment_id)
    demand(payment, "capture")
    amount = _part(data, payment["amount"], "capture")
    captured = _change(account, payment, "succeeded", amount_received=amount)
    _tell_outcome(account, captured, BY_NAME[payment["_card"]])
    return Result(shown(captured))


def _part(data: dict[str, Any], remaining: int, operation: str) -> int:
    """Return the amount that was asked for, or all that remains."""
    amount = int(data.get("amount", remaining))
    if amount > remaining:
        raise ApiError(
            "amount_too_large",
            f"Can't {operation} {amount}: only {remaining} remains of this payment.",
            param="amount",
        )
    return amount


def cancel(account: Account, payment_id: str, _data: dict[str, Any]) -> Result:
    """End a payment that took no money."""
    payment = account.find("payment", payment_id)
    demand(payment, "cancel")
    return Result(shown(_change(account, payment, "canceled")))


def expire_authorisation(account: Account, payment: Row, now: float) -> None:
    """Let go of reserved money that nobody captured in time."""
    if payment["status"] == "requires_capture" and payment["_expires"] <= now:
        _change(account, payment, "canceled")


def refund(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Give back the money, or a part of it."""
    payment = account.find("payment", payment_id)
    demand(payment, "refund")
    remaining = payment["amount_received"] - payment["amount_refunded"]
    if disputes.open_dispute_of(account, payment):
        raise ApiError("payment_disputed", "This payment has an open dispute.")
    if remaining == 0:
        raise ApiError("payment_already_refunded", "This payment is refunded already.")
    amount = _part(data, remaining, "refund")
    refunded = _change(
        account, payment, "succeeded", amount_refunded=payment["amount_refunded"] + amount
    )
    account.emit("payment.refunded", refunded)
    return Result(shown(refunded))


def _change(account: Account, payment: Row, status: str, **fields: Any) -> Row:
    """Put the payment with another status; what belonged to the old one goes."""
    kept = {
        name: value
        for name, value in payment.items()
        if name not in {"failure_reason", "next_action", "_expires"}
    }
    return account.put("payment", {**kept, "status": status, **fields})
