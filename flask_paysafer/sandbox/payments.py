"""Payments and what moves their money: the state machine, refunds, disputes, payouts."""

from __future__ import annotations

from typing import Any

from .cards import (
    AUTHENTICATION_REQUIRED,
    BY_NAME,
    Decline,
    decide,
    needs_challenge,
    save_card,
    use_payment_method,
)
from .errors import ApiError, error_body, invalid
from .resources import Account, Result
from .store import Row, random_text, shown

FROM: dict[str, frozenset[str]] = {
    "confirm": frozenset({"requires_payment_method", "requires_confirmation", "failed"}),
    "challenge": frozenset({"requires_action"}),
    "capture": frozenset({"requires_capture"}),
    "cancel": frozenset(
        {
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
            "requires_capture",
            "failed",
        }
    ),
    "refund": frozenset({"succeeded"}),
    "dispute": frozenset({"succeeded"}),
}
"""The statuses that each operation may start from."""


def require_status(payment: Row, operation: str) -> None:
    """Return quietly if the payment's status allows the operation.

    :raises ApiError: 422, naming the statuses that would.
    """
    allowed = FROM[operation]
    if payment["status"] not in allowed:
        raise ApiError(
            "payment_unexpected_state",
            f"This payment's status is {payment['status']}; {operation} needs "
            f"{' or '.join(sorted(allowed))}.",
        )


def open_dispute_of(account: Account, payment: Row) -> Row | None:
    """Return the payment's dispute that is still open, or None."""
    dispute_id = account.find("payment", payment["id"]).get("_open_dispute")
    return account.find("dispute", dispute_id) if dispute_id else None


def open_dispute(
    account: Account, payment: Row, *, amount: int | None = None, reason: str = "fraudulent"
) -> Row:
    """Dispute what is left of a payment, or ``amount`` of it.

    :return: The ``dispute.created`` event.
    :raises ApiError: 422 if there is nothing to dispute, or one is open.
    """
    require_status(payment, "dispute")
    remaining = payment["amount_received"] - payment["amount_refunded"]
    if open_dispute_of(account, payment):
        raise ApiError("payment_disputed", "This payment has an open dispute already.")
    if remaining == 0:
        raise ApiError("payment_already_refunded", "This payment is refunded already.")
    if amount is not None and amount > remaining:
        raise ApiError(
            "amount_too_large", f"Can't dispute {amount}: only {remaining} remains.", param="amount"
        )
    dispute = account.new(
        "dp",
        "dispute",
        {
            "payment": payment["id"],
            "amount": amount or remaining,
            "currency": payment["currency"],
            "reason": reason,
            "status": "open",
            "outcome": None,
        },
    )
    account.put("payment", {**payment, "_open_dispute": dispute["id"]})
    return account.emit("dispute.created", dispute)


def resolve_dispute(account: Account, dispute: Row, outcome: str) -> Row:
    """Close an open dispute as ``won`` or ``lost``; return the ``dispute.resolved`` event."""
    closed = account.put("dispute", {**dispute, "status": "closed", "outcome": outcome})
    payment = account.find("payment", dispute["payment"])
    lost = payment.get("_amount_lost", 0) + (dispute["amount"] if outcome == "lost" else 0)
    account.put("payment", {**payment, "_open_dispute": None, "_amount_lost": lost})
    return account.emit("dispute.resolved", closed)


def balance(account: Account, currency: str) -> int:
    """Return what the account has in this currency and was not paid out yet."""
    received: int = sum(
        payment["amount_received"] - payment["amount_refunded"] - payment.get("_amount_lost", 0)
        for payment in account.table("payment").rows.values()
        if payment["currency"] == currency
    )
    paid_out: int = sum(
        payout["amount"]
        for payout in account.table("payout").rows.values()
        if payout["currency"] == currency and payout["status"] == "paid"
    )
    return received - paid_out


def pay_out(account: Account, amount: int, currency: str, *, failure: str | None = None) -> Row:
    """Pay out ``amount``, or fail to for the reason ``failure``.

    :return: The ``payout.completed`` or ``payout.failed`` event.
    :raises ApiError: 422 if the balance doesn't cover it.
    """
    available = balance(account, currency)
    if amount > available:
        raise ApiError(
            "balance_insufficient",
            f"Can't pay out {amount} {currency}: the balance is {available}.",
            param="amount",
        )
    payout = account.new(
        "po",
        "payout",
        {
            "amount": amount,
            "currency": currency,
            "status": "failed" if failure else "paid",
            "failure_reason": failure,
        },
    )
    return account.emit("payout.failed" if failure else "payout.completed", payout)


AUTHORISATION_SECONDS = 7 * 24 * 3600
"""How long money stays reserved that is not captured."""

CHALLENGE_PATH = "/challenge/"
"""The path of the page on which a cardholder authenticates."""


def create_payment(account: Account, data: dict[str, Any]) -> Result:
    """Create a payment, and charge it unless it waits for something."""
    if "customer" in data:
        account.refer("customer", data["customer"], "customer")
    _check_saving(data)
    payment = account.new("pay", "payment", _new_fields(account, data))
    if payment["_card"] is None or not data.get("confirm", True):
        account.emit("payment.created", payment)
        return Result(shown(payment))
    return _charge(account, payment, is_new=True, off_session=data.get("off_session", False))


def _check_saving(data: dict[str, Any]) -> None:
    if not data.get("save_payment_method"):
        return
    if "customer" not in data:
        raise invalid("save_payment_method", "needs a customer, whose card it will be.")
    if data.get("payment_method", "tok_").startswith("pm_"):
        raise invalid("save_payment_method", "needs a token (tok_…) as the payment_method.")


def _new_fields(account: Account, data: dict[str, Any]) -> Row:
    method = data.get("payment_method")
    return {
        "amount": data["amount"],
        "amount_received": 0,
        "amount_refunded": 0,
        "currency": data["currency"],
        "status": "requires_confirmation" if method else "requires_payment_method",
        "description": data.get("description"),
        "payment_method": None,
        "payment_method_details": None,
        "customer": data.get("customer"),
        "metadata": data.get("metadata", {}),
        "receipt_email": data.get("receipt_email"),
        "_card": None,
        "_is_saved": False,
        "_save": data.get("save_payment_method", False),
        "_capture_method": data.get("capture_method", "automatic"),
        "_return_url": data.get("return_url"),
        **(use_payment_method(account, method, data.get("customer")) if method else {}),
    }


def confirm_payment(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Charge a payment that waited for it, or failed before; the customer is there."""
    payment = account.find("payment", payment_id)
    require_status(payment, "confirm")
    if "return_url" in data:
        payment = {**payment, "_return_url": data["return_url"]}
    if "payment_method" in data:
        method = use_payment_method(account, data["payment_method"], payment["customer"])
        payment = {**payment, **method}
    if payment["_card"] is None:
        raise ApiError(
            "parameter_missing",
            "Missing required parameter: payment_method (the payment has none yet)",
            param="payment_method",
        )
    return _charge(account, payment)


def _charge(
    account: Account, payment: Row, *, is_new: bool = False, off_session: bool = False
) -> Result:
    decline = None
    if not off_session and needs_challenge(payment):
        charged = _ask_for_authentication(account, payment)
    elif decline := decide(account, payment, off_session=off_session):
        charged = _decline(account, payment, decline)
    else:
        charged = _approve(account, payment)
    if is_new:
        account.emit("payment.created", charged)
    _emit_outcome(account, charged)
    return _declined(charged, decline) if decline else Result(shown(charged))


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


def _decline(account: Account, payment: Row, decline: Decline) -> Row:
    # The card is good: the payment waits for the customer to confirm it on a page.
    waits = decline is AUTHENTICATION_REQUIRED
    status = "requires_payment_method" if waits else "failed"
    return _change(account, payment, status, failure_reason=decline.decline_code)


def _approve(account: Account, payment: Row) -> Row:
    payment = save_card(account, payment)
    if payment["_capture_method"] == "manual":
        expires = account.clock() + AUTHORISATION_SECONDS
        authorised = _change(account, payment, "requires_capture", _expires=expires)
        account.watch(account.tenant, authorised)
        return authorised
    return _change(account, payment, "succeeded", amount_received=payment["amount"])


def _emit_outcome(account: Account, payment: Row) -> None:
    if "failure_reason" in payment:
        account.emit("payment.failed", payment)
    if payment["status"] == "succeeded":
        account.emit("payment.completed", payment)
        if BY_NAME[payment["_card"]].is_disputed:
            open_dispute(account, payment)


def _declined(payment: Row, decline: Decline) -> Result:
    body = error_body("card_error", **decline._asdict(), payment=shown(payment))
    return Result(body, status=402)


def pass_challenge(account: Account, payment: Row) -> Row:
    """The cardholder authenticated: charge the card now."""
    require_status(payment, "challenge")
    decline = decide(account, payment, off_session=False)
    charged = _decline(account, payment, decline) if decline else _approve(account, payment)
    _emit_outcome(account, charged)
    return charged


def refuse_challenge(account: Account, payment: Row) -> Row:
    """The cardholder did not authenticate."""
    require_status(payment, "challenge")
    failed = _change(account, payment, "failed", failure_reason="authentication_failed")
    account.emit("payment.failed", failed)
    return failed


def capture_payment(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Take the reserved money, or a part of it."""
    payment = account.find("payment", payment_id)
    require_status(payment, "capture")
    amount = _part(data, payment["amount"], "capture")
    captured = _change(account, payment, "succeeded", amount_received=amount)
    _emit_outcome(account, captured)
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


def cancel_payment(account: Account, payment_id: str, _data: dict[str, Any]) -> Result:
    """End a payment that took no money."""
    payment = account.find("payment", payment_id)
    require_status(payment, "cancel")
    return Result(shown(_change(account, payment, "canceled")))


def expire_authorisation(account: Account, payment: Row, now: float) -> None:
    """Let go of reserved money that nobody captured in time."""
    if payment["status"] == "requires_capture" and payment["_expires"] <= now:
        _change(account, payment, "canceled")


def refund_payment(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Give back the money, or a part of it."""
    payment = account.find("payment", payment_id)
    require_status(payment, "refund")
    remaining = payment["amount_received"] - payment["amount_refunded"]
    if open_dispute_of(account, payment):
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
