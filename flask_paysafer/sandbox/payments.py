"""Payments and what moves their money: tokens, the state machine, refunds, disputes, payouts."""

from __future__ import annotations

from typing import Any

from .cards import BY_NAME, BY_NUMBER, BY_PAYMENT_METHOD, Card
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


def create_token(account: Account, data: dict[str, Any]) -> Result:
    """Make a token that pays once. The number and the CVC are forgotten here."""
    given = data["card"]
    card = BY_NUMBER.get(given["number"])
    if card is None:
        raise invalid(
            "card[number]",
            "not one of the sandbox's test cards. Never send a real card to a sandbox.",
        )
    token = account.new(
        "tok",
        "token",
        {
            "card": {
                "brand": card.brand,
                "last4": card.number[-4:],
                "exp_month": given["exp_month"],
                "exp_year": given["exp_year"],
            },
            "used": False,
            "_card": card.name,
        },
    )
    return Result(shown(token))


def take_payment_method(account: Account, method: str) -> Card:
    """Return the card behind ``method``; a token is used up by this.

    :raises ApiError: 400 for one that is unknown or used up.
    """
    if method.startswith("tok_"):
        return _take_token(account, method)
    try:
        return BY_PAYMENT_METHOD[method]
    except KeyError:
        raise ApiError(
            "reference_missing",
            f"No such payment_method: {method[:100]}. The sandbox knows pm_card_visa and the "
            "other test cards.",
            param="payment_method",
        ) from None


def _take_token(account: Account, token_id: str) -> Card:
    token = account.refer("token", token_id, "payment_method")
    if token["used"]:
        raise invalid("payment_method", "this token was used already; make a new one.")
    account.put("token", {**token, "used": True})
    return BY_NAME[token["_card"]]


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
"""Where the page stands on which a cardholder authenticates."""


def create_payment(account: Account, data: dict[str, Any]) -> Result:
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


def retrieve_payment(account: Account, payment_id: str) -> Result:
    """Return the payment as it is."""
    return Result(shown(account.find("payment", payment_id)))


def confirm_payment(account: Account, payment_id: str, data: dict[str, Any]) -> Result:
    """Charge a payment that waited for it, or failed before."""
    payment = account.find("payment", payment_id)
    require_status(payment, "confirm")
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
        account.watch(account.tenant, authorised)
        return authorised
    return _change(account, payment, "succeeded", amount_received=payment["amount"])


def _tell_outcome(account: Account, payment: Row, card: Card) -> None:
    if payment["status"] == "failed":
        account.emit("payment.failed", payment)
    if payment["status"] == "succeeded":
        account.emit("payment.completed", payment)
        if card.result == "disputed":
            open_dispute(account, payment)


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
    require_status(payment, "challenge")
    card = BY_NAME[payment["_card"]]
    if card.declines:
        charged = _change(account, payment, "failed", failure_reason=card.decline_code)
    else:
        charged = _approve(account, payment)
    _tell_outcome(account, charged, card)
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
