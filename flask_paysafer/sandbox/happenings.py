"""What makes each of the ten types of events happen, and what an order for one may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from . import customers, disputes, payments, payouts, shapes
from .account import Account
from .cards import BY_NAME
from .failures import ApiError, invalid
from .fields import Choice, Kind, Record, Text
from .ledger import Row

_DEFAULT_AMOUNT = 15000


class Order(NamedTuple):
    """What is to happen."""

    type: str
    payment: str | None
    amount: int | None
    data: dict[str, Any]


class Happening(NamedTuple):
    """How a type of event is made."""

    happen: Callable[[Account, Order], None]
    data: Record
    """What an order's ``data`` may change."""
    takes: frozenset[str]
    """Which of ``payment`` and ``amount`` mean anything to it."""


def _pay(account: Account, order: Order, *, card: str = "visa", amount: int | None = None) -> Row:
    result = payments.create(
        account,
        {
            "amount": amount or order.amount or _DEFAULT_AMOUNT,
            "currency": "aed",
            "payment_method": f"pm_card_{card}",
            **{name: value for name, value in order.data.items() if name in _PAYMENT_FIELDS},
        },
    ).body
    payment = result if "error" not in result else result["error"]["payment"]
    return account.find("payment", payment["id"])


def _given_payment(account: Account, order: Order) -> Row | None:
    if order.payment is None:
        return None
    for name in _PAYMENT_FIELDS.keys() & order.data.keys():
        raise invalid(f"data[{name}]", "can't change a payment that exists already.")
    return account.refer("payment", order.payment, "payment")


def _paid(account: Account, order: Order) -> Row:
    """Return the payment that was named, or a new one that is large enough."""
    amount = max(_DEFAULT_AMOUNT, order.amount or 0)
    return _given_payment(account, order) or _pay(account, order, amount=amount)


def _part(order: Order) -> dict[str, int]:
    return {} if order.amount is None else {"amount": order.amount}


def _payment_created(account: Account, order: Order) -> None:
    _pay(account, order)


def _payment_completed(account: Account, order: Order) -> None:
    payment = _given_payment(account, order)
    if payment is None:
        _pay(account, order)
        return
    if payment["status"] == "requires_action":
        payment = payments.pass_challenge(account, payment)
    elif payment["status"] != "requires_capture":
        payments.confirm(account, payment["id"], {"payment_method": "pm_card_visa"})
        payment = account.find("payment", payment["id"])
    if payment["status"] == "requires_capture":
        payments.capture(account, payment["id"], _part(order))
    else:
        _check_amount(order, payment)


def _check_amount(order: Order, payment: Row) -> None:
    if order.amount not in {None, payment["amount"]}:
        raise invalid("amount", "is the payment's own here: only a capture can take less.")


def _payment_failed(account: Account, order: Order) -> None:
    payment = _given_payment(account, order)
    reason = order.data.get("failure_reason")
    card = _FAILING[reason or "generic_decline"]
    if payment is None:
        _pay(account, order, card=card)
        return
    _check_amount(order, payment)
    if payment["status"] != "requires_action":
        payments.confirm(account, payment["id"], {"payment_method": f"pm_card_{card}"})
    elif reason is None:
        payments.refuse_challenge(account, payment)
    else:
        raise invalid("data[failure_reason]", "is authentication_failed for this payment.")


def _payment_refunded(account: Account, order: Order) -> None:
    payments.refund(account, _paid(account, order)["id"], _part(order))


def _customer_created(account: Account, order: Order) -> None:
    customers.create(
        account, {"email": "customer@example.com", "name": "Amal Haddad", **order.data}
    )


def _customer_updated(account: Account, order: Order) -> None:
    changes = dict(order.data)
    customer_id = changes.pop("id", None)
    if customer_id is None:
        customer_id = customers.create(account, {"email": "customer@example.com"}).body["id"]
    customer = account.refer("customer", customer_id, "data[id]")
    name = "Amal Haddad" if customer["name"] != "Amal Haddad" else "Amal H. Haddad"
    customers.update(account, customer_id, changes or {"name": name})


def _payout(account: Account, order: Order) -> None:
    currency = order.data.get("currency", "aed")
    if order.amount is None and payouts.balance(account, currency) <= 0:
        _pay(account, order)
    amount = order.amount or payouts.balance(account, currency)
    failure = order.data.get("failure_reason", "account_closed")
    failed = order.type == "payout.failed"
    payouts.pay_out(account, amount, currency, failure=failure if failed else None)


def _dispute_created(account: Account, order: Order) -> None:
    _dispute(account, order)


def _dispute(account: Account, order: Order) -> Row:
    reason = order.data.get("reason", "fraudulent")
    event = disputes.open_dispute(
        account, _paid(account, order), amount=order.amount, reason=reason
    )
    return account.find("dispute", event["data"]["id"])


def _dispute_resolved(account: Account, order: Order) -> None:
    dispute = _open_dispute(account, order) or _dispute(account, order)
    disputes.resolve(account, dispute, order.data.get("outcome", "won"))


def _open_dispute(account: Account, order: Order) -> Row | None:
    dispute_id = order.data.get("id")
    if dispute_id is not None:
        account.refer("dispute", dispute_id, "data[id]")
    for dispute in account.shelf("dispute").rows.values():
        if dispute["status"] == "open" and _is_meant(dispute, order):
            return dispute
    if dispute_id is not None:
        raise ApiError(
            "payment_unexpected_state", "This dispute is closed already, or not as described."
        )
    return None


def _is_meant(dispute: Row, order: Order) -> bool:
    """Whatever is said of the dispute has to be true of it, or it is another one."""
    said = {
        "id": order.data.get("id"),
        "reason": order.data.get("reason"),
        "payment": order.payment,
        "amount": order.amount,
    }
    return all(value in {None, dispute[name]} for name, value in said.items())


_PAYMENT_FIELDS: dict[str, Kind] = {
    name: shapes.CREATE_PAYMENT.fields[name]
    for name in ("currency", "description", "customer", "metadata", "receipt_email")
}
_FAILING = {card.decline_code: card.name for card in BY_NAME.values() if card.result == "declined"}
"""The card that fails for each reason."""
_FAILURE: dict[str, Kind] = {"failure_reason": Choice(tuple(_FAILING))}
_REASON: dict[str, Kind] = {"reason": Text(100)}
_PAYOUT_FIELDS: dict[str, Kind] = {"currency": shapes.CURRENCY}
_ANY_CUSTOMER: dict[str, Kind] = {**shapes.UPDATE_CUSTOMER.fields, "id": Text(255)}
_OUTCOME: dict[str, Kind] = {"outcome": Choice(("won", "lost")), "id": Text(255)}
_BOTH = frozenset({"payment", "amount"})
_AMOUNT = frozenset({"amount"})
_NEITHER: frozenset[str] = frozenset()

HAPPENINGS = {
    "payment.created": Happening(_payment_created, Record(_PAYMENT_FIELDS), _AMOUNT),
    "payment.completed": Happening(_payment_completed, Record(_PAYMENT_FIELDS), _BOTH),
    "payment.failed": Happening(_payment_failed, Record({**_PAYMENT_FIELDS, **_FAILURE}), _BOTH),
    "payment.refunded": Happening(_payment_refunded, Record(_PAYMENT_FIELDS), _BOTH),
    "customer.created": Happening(_customer_created, shapes.CREATE_CUSTOMER, _NEITHER),
    "customer.updated": Happening(_customer_updated, Record(_ANY_CUSTOMER), _NEITHER),
    "payout.completed": Happening(_payout, Record(_PAYOUT_FIELDS), _AMOUNT),
    "payout.failed": Happening(
        _payout, Record({**_PAYOUT_FIELDS, "failure_reason": Text(100)}), _AMOUNT
    ),
    "dispute.created": Happening(_dispute_created, Record(_REASON), _BOTH),
    "dispute.resolved": Happening(_dispute_resolved, Record({**_REASON, **_OUTCOME}), _BOTH),
}
"""Every documented type."""
