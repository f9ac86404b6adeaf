"""Make an event happen: really, through the state machine, so that the API agrees with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import customers, disputes, payments, payouts, shapes
from .account import Account
from .engine import Engine
from .failures import ApiError, invalid
from .fields import Choice, Kind, Record, Text
from .ledger import Row, shown
from .realms import Realm, is_account

_DEFAULT_AMOUNT = 15000


class _AnyObject:
    def check(self, value: Any, param: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(param, "must be an object.")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "object"}


TRIGGER = Record(
    {
        "type": Text(100, "[a-z_]+[.][a-z_.]+", "a type of event, such as payment.completed"),
        "account": Text(255),
        "mode": Choice(("test", "live")),
        "payment": Text(255),
        "amount": shapes.AMOUNT,
        "data": _AnyObject(),
    },
    required=("type",),
)

_PAYMENT_DATA: dict[str, Kind] = {
    name: shapes.CREATE_PAYMENT.fields[name]
    for name in ("currency", "description", "customer", "metadata", "receipt_email")
}
_DATA: dict[str, Record] = {
    "payment.created": Record(_PAYMENT_DATA),
    "payment.completed": Record(_PAYMENT_DATA),
    "payment.failed": Record(_PAYMENT_DATA),
    "payment.refunded": Record(_PAYMENT_DATA),
    "customer.created": shapes.CREATE_CUSTOMER,
    "customer.updated": Record({**shapes.UPDATE_CUSTOMER.fields, "id": Text(255)}),
    "payout.completed": Record({"currency": shapes.CURRENCY}),
    "payout.failed": Record({"currency": shapes.CURRENCY, "failure_reason": Text(100)}),
    "dispute.created": Record({"reason": Text(100)}),
    "dispute.resolved": Record(
        {"outcome": Choice(("won", "lost")), "id": Text(255), "reason": Text(100)}
    ),
}
"""What ``data`` may change, by type; anything else is refused."""


def trigger(engine: Engine, order: dict[str, Any]) -> dict[str, Any]:
    """Make an event of ``order["type"]`` happen and return it.

    :raises ApiError: for an unknown field, or what the state machine forbids.
    """
    wanted = TRIGGER.check(order)
    event_type = wanted["type"]
    with engine.ledger.transaction():
        account = engine.account(_realm(engine, wanted))
        if event_type not in _DATA:
            return shown(_custom(account, event_type, wanted.get("data")))
        data = _DATA[event_type].check(wanted.get("data", {}), "data")
        _HAPPENINGS[event_type](account, wanted, data)
        return shown(_latest(account, event_type))


def _realm(engine: Engine, wanted: dict[str, Any]) -> Realm:
    mode = wanted.get("mode", "test")
    name = wanted.get("account")
    if name is None:
        known = [realm for realm in engine.ledger.realms() if realm.mode == mode]
        if len(known) == 1:
            return known[0]
        raise ApiError(
            "parameter_missing",
            "Missing required parameter: account (what follows sk_test_ in the key)",
            param="account",
        )
    if not is_account(name):
        raise invalid("account", "must be what follows sk_test_ in the key, 8 characters or more.")
    return Realm(name, mode)


def _latest(account: Account, event_type: str) -> Row:
    events = reversed(list(account.shelf("event").rows.values()))
    return next(event for event in events if event["type"] == event_type)


def _custom(account: Account, event_type: str, data: dict[str, Any] | None) -> Row:
    """Send a type that isn't documented yet, for handlers that wait for one."""
    if data is None or not isinstance(data.get("object"), str):
        raise invalid(
            "type",
            "not one of the documented types. For a future type give its whole object as data, "
            'with an "object" that names its kind.',
        )
    return account.emit(event_type, data)


def _make_payment(
    account: Account, wanted: dict[str, Any], data: dict[str, Any], card: str = "visa"
) -> Row:
    order = {
        "amount": wanted.get("amount", _DEFAULT_AMOUNT),
        "currency": "aed",
        "payment_method": f"pm_card_{card}",
        **{name: value for name, value in data.items() if name in _PAYMENT_DATA},
    }
    result = payments.create(account, order).body
    payment = result if "error" not in result else result["error"]["payment"]
    return account.find("payment", payment["id"])


def _given_payment(account: Account, wanted: dict[str, Any]) -> Row | None:
    return account.refer("payment", wanted["payment"], "payment") if "payment" in wanted else None


def _refuse_overrides(data: dict[str, Any]) -> None:
    for name in data:
        raise invalid(f"data[{name}]", "can't change a payment that exists already.")


def _payment_created(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    if "payment" in wanted:
        raise invalid("payment", "exists already; payment.created makes a new one.")
    _make_payment(account, wanted, data)


def _payment_completed(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    payment = _given_payment(account, wanted)
    if payment is None:
        _make_payment(account, wanted, data)
        return
    _refuse_overrides(data)
    if payment["status"] == "requires_action":
        payments.pass_challenge(account, payment)
    elif payment["status"] == "requires_capture":
        amount = {"amount": wanted["amount"]} if "amount" in wanted else {}
        payments.capture(account, payment["id"], amount)
    else:
        payments.confirm(account, payment["id"], {"payment_method": "pm_card_visa"})


def _payment_failed(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    payment = _given_payment(account, wanted)
    if payment is None:
        _make_payment(account, wanted, data, card="chargeDeclined")
        return
    _refuse_overrides(data)
    if payment["status"] == "requires_action":
        payments.refuse_challenge(account, payment)
    else:
        payments.confirm(account, payment["id"], {"payment_method": "pm_card_chargeDeclined"})


def _payment_refunded(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    payment = _given_payment(account, wanted)
    if payment is None:
        payment = _make_payment(account, {**wanted, "amount": _paid_for(wanted)}, data)
    else:
        _refuse_overrides(data)
    amount = {"amount": wanted["amount"]} if "amount" in wanted else {}
    payments.refund(account, payment["id"], amount)


def _paid_for(wanted: dict[str, Any]) -> int:
    amount: int = wanted.get("amount", 0)
    return max(_DEFAULT_AMOUNT, amount)


def _customer_created(account: Account, _: dict[str, Any], data: dict[str, Any]) -> None:
    customers.create(account, {"email": "customer@example.com", "name": "Amal Haddad", **data})


def _customer_updated(account: Account, _: dict[str, Any], data: dict[str, Any]) -> None:
    changes = dict(data)
    customer_id = changes.pop("id", None)
    if customer_id is None:
        customer_id = customers.create(account, {"email": "customer@example.com"}).body["id"]
    customer = account.refer("customer", customer_id, "data[id]")
    name = "Amal Haddad" if customer["name"] != "Amal Haddad" else "Amal H. Haddad"
    customers.update(account, customer_id, changes or {"name": name})


def _payout(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    currency = data.get("currency", "aed")
    if "amount" not in wanted and payouts.balance(account, currency) <= 0:
        _make_payment(account, wanted, {"currency": currency})
    amount = wanted.get("amount", payouts.balance(account, currency))
    failed = wanted["type"] == "payout.failed"
    failure = data.get("failure_reason", "account_closed") if failed else None
    payouts.pay_out(account, amount, currency, failure=failure)


def _dispute_created(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    _new_dispute(account, wanted, data)


def _new_dispute(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> Row:
    payment = _given_payment(account, wanted)
    if payment is None:
        payment = _make_payment(account, {**wanted, "amount": _paid_for(wanted)}, {})
    event = disputes.open_dispute(account, payment, amount=wanted.get("amount"), **data)
    return account.find("dispute", event["data"]["id"])


def _dispute_resolved(account: Account, wanted: dict[str, Any], data: dict[str, Any]) -> None:
    details = dict(data)
    outcome = details.pop("outcome", "won")
    dispute = _open_dispute(account, wanted, details.pop("id", None))
    disputes.resolve(account, dispute or _new_dispute(account, wanted, details), outcome)


def _open_dispute(account: Account, wanted: dict[str, Any], dispute_id: str | None) -> Row | None:
    if dispute_id is not None:
        account.refer("dispute", dispute_id, "data[id]")
    for dispute in account.shelf("dispute").rows.values():
        if (
            dispute["status"] == "open"
            and dispute_id in {None, dispute["id"]}
            and wanted.get("payment") in {None, dispute["payment"]}
        ):
            return dispute
    if dispute_id is not None:
        raise ApiError("payment_unexpected_state", "This dispute is closed already.")
    return None


_HAPPENINGS: dict[str, Callable[[Account, dict[str, Any], dict[str, Any]], None]] = {
    "payment.created": _payment_created,
    "payment.completed": _payment_completed,
    "payment.failed": _payment_failed,
    "payment.refunded": _payment_refunded,
    "customer.created": _customer_created,
    "customer.updated": _customer_updated,
    "payout.completed": _payout,
    "payout.failed": _payout,
    "dispute.created": _dispute_created,
    "dispute.resolved": _dispute_resolved,
}
