"""Scenarios: what makes each type of event happen, through the state machine, and a shop's history.

Nothing is faked: an event comes of a payment, refund or dispute that the API then shows.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any, NamedTuple

from .cards import BY_NAME
from .engine import Engine
from .errors import ApiError, invalid
from .fields import (
    AMOUNT,
    CREATE_PAYMENT,
    CURRENCY,
    CUSTOMER,
    AnyObject,
    Choice,
    Kind,
    Record,
    Text,
)
from .payments import (
    balance,
    capture_payment,
    confirm_payment,
    create_payment,
    open_dispute,
    pass_challenge,
    pay_out,
    refund_payment,
    refuse_challenge,
    resolve_dispute,
)
from .resources import Account, create_customer, update_customer
from .store import Row, Tenant, is_account, new_id, shown

_DEFAULT_AMOUNT = 15000


class TriggerRequest(NamedTuple):
    """An event that somebody asks for."""

    type: str
    payment: str | None
    amount: int | None
    data: dict[str, Any]


class Scenario(NamedTuple):
    """How a type of event is made."""

    run: Callable[[Account, TriggerRequest], None]
    data: Record
    """The fields that a trigger request's ``data`` may set."""
    takes: frozenset[str]
    """Which of ``payment`` and ``amount`` mean anything to it."""


def _pay(
    account: Account, asked: TriggerRequest, *, card: str = "visa", amount: int | None = None
) -> Row:
    result = create_payment(
        account,
        {
            "amount": amount or asked.amount or _DEFAULT_AMOUNT,
            "currency": "aed",
            "payment_method": f"pm_card_{card}",
            **{name: value for name, value in asked.data.items() if name in _PAYMENT_FIELDS},
        },
    ).body
    payment = result if "error" not in result else result["error"]["payment"]
    return account.find("payment", payment["id"])


def _given_payment(account: Account, asked: TriggerRequest) -> Row | None:
    if asked.payment is None:
        return None
    for name in _PAYMENT_FIELDS.keys() & asked.data.keys():
        raise invalid(f"data[{name}]", "can't change a payment that exists already.")
    return account.refer("payment", asked.payment, "payment")


def _paid(account: Account, asked: TriggerRequest) -> Row:
    """Return the payment that was named, or a new one that is large enough."""
    amount = max(_DEFAULT_AMOUNT, asked.amount or 0)
    return _given_payment(account, asked) or _pay(account, asked, amount=amount)


def _part(asked: TriggerRequest) -> dict[str, int]:
    return {} if asked.amount is None else {"amount": asked.amount}


def _payment_created(account: Account, asked: TriggerRequest) -> None:
    _pay(account, asked)


def _payment_completed(account: Account, asked: TriggerRequest) -> None:
    payment = _given_payment(account, asked)
    if payment is None:
        _pay(account, asked)
        return
    if payment["status"] == "requires_action":
        payment = pass_challenge(account, payment)
    elif payment["status"] != "requires_capture":
        confirm_payment(account, payment["id"], {"payment_method": "pm_card_visa"})
        payment = account.find("payment", payment["id"])
    if payment["status"] == "requires_capture":
        capture_payment(account, payment["id"], _part(asked))
    else:
        _check_amount(asked, payment)


def _check_amount(asked: TriggerRequest, payment: Row) -> None:
    if asked.amount not in {None, payment["amount"]}:
        raise invalid("amount", "is the payment's own here: only a capture can take less.")


def _payment_failed(account: Account, asked: TriggerRequest) -> None:
    payment = _given_payment(account, asked)
    reason = asked.data.get("failure_reason")
    card = _FAILING[reason or "generic_decline"]
    if payment is None:
        _pay(account, asked, card=card)
        return
    _check_amount(asked, payment)
    if payment["status"] != "requires_action":
        confirm_payment(account, payment["id"], {"payment_method": f"pm_card_{card}"})
    elif reason is None:
        refuse_challenge(account, payment)
    else:
        raise invalid("data[failure_reason]", "is authentication_failed for this payment.")


def _payment_refunded(account: Account, asked: TriggerRequest) -> None:
    refund_payment(account, _paid(account, asked)["id"], _part(asked))


def _customer_created(account: Account, asked: TriggerRequest) -> None:
    create_customer(account, {"email": "customer@example.com", "name": "Amal Haddad", **asked.data})


def _customer_updated(account: Account, asked: TriggerRequest) -> None:
    changes = dict(asked.data)
    customer_id = changes.pop("id", None)
    if customer_id is None:
        customer_id = create_customer(account, {"email": "customer@example.com"}).body["id"]
    customer = account.refer("customer", customer_id, "data[id]")
    name = "Amal Haddad" if customer["name"] != "Amal Haddad" else "Amal H. Haddad"
    update_customer(account, customer_id, changes or {"name": name})


def _payout(account: Account, asked: TriggerRequest) -> None:
    currency = asked.data.get("currency", "aed")
    if asked.amount is None and balance(account, currency) <= 0:
        _pay(account, asked)
    amount = asked.amount or balance(account, currency)
    failure = asked.data.get("failure_reason", "account_closed")
    failed = asked.type == "payout.failed"
    pay_out(account, amount, currency, failure=failure if failed else None)


def _dispute_created(account: Account, asked: TriggerRequest) -> None:
    _dispute(account, asked)


def _dispute(account: Account, asked: TriggerRequest) -> Row:
    reason = asked.data.get("reason", "fraudulent")
    event = open_dispute(account, _paid(account, asked), amount=asked.amount, reason=reason)
    return account.find("dispute", event["data"]["id"])


def _dispute_resolved(account: Account, asked: TriggerRequest) -> None:
    dispute = _open_dispute(account, asked) or _dispute(account, asked)
    resolve_dispute(account, dispute, asked.data.get("outcome", "won"))


def _open_dispute(account: Account, asked: TriggerRequest) -> Row | None:
    dispute_id = asked.data.get("id")
    if dispute_id is not None:
        account.refer("dispute", dispute_id, "data[id]")
    for dispute in account.table("dispute").rows.values():
        if dispute["status"] == "open" and _is_meant(dispute, asked):
            return dispute
    if dispute_id is not None:
        raise ApiError(
            "payment_unexpected_state", "This dispute is closed already, or not as described."
        )
    return None


def _is_meant(dispute: Row, asked: TriggerRequest) -> bool:
    """Whether everything that was asked is true of this dispute."""
    said = {
        "id": asked.data.get("id"),
        "reason": asked.data.get("reason"),
        "payment": asked.payment,
        "amount": asked.amount,
    }
    return all(value in {None, dispute[name]} for name, value in said.items())


_PAYMENT_FIELDS: dict[str, Kind] = {
    name: CREATE_PAYMENT.fields[name]
    for name in ("currency", "description", "customer", "metadata", "receipt_email")
}
_FAILING = {
    card.decline.decline_code: card.name
    for card in BY_NAME.values()
    if card.decline and card.challenge == "never"
}
"""The card that fails for each reason."""
_FAILURE: dict[str, Kind] = {"failure_reason": Choice(tuple(_FAILING))}
_REASON: dict[str, Kind] = {"reason": Text(100)}
_PAYOUT_FIELDS: dict[str, Kind] = {"currency": CURRENCY}
_ANY_CUSTOMER: dict[str, Kind] = {**CUSTOMER.fields, "id": Text(255)}
_OUTCOME: dict[str, Kind] = {"outcome": Choice(("won", "lost")), "id": Text(255)}
_BOTH = frozenset({"payment", "amount"})
_AMOUNT = frozenset({"amount"})
_NEITHER: frozenset[str] = frozenset()

SCENARIOS = {
    "payment.created": Scenario(_payment_created, Record(_PAYMENT_FIELDS), _AMOUNT),
    "payment.completed": Scenario(_payment_completed, Record(_PAYMENT_FIELDS), _BOTH),
    "payment.failed": Scenario(_payment_failed, Record({**_PAYMENT_FIELDS, **_FAILURE}), _BOTH),
    "payment.refunded": Scenario(_payment_refunded, Record(_PAYMENT_FIELDS), _BOTH),
    "customer.created": Scenario(_customer_created, CUSTOMER, _NEITHER),
    "customer.updated": Scenario(_customer_updated, Record(_ANY_CUSTOMER), _NEITHER),
    "payout.completed": Scenario(_payout, Record(_PAYOUT_FIELDS), _AMOUNT),
    "payout.failed": Scenario(
        _payout, Record({**_PAYOUT_FIELDS, "failure_reason": Text(100)}), _AMOUNT
    ),
    "dispute.created": Scenario(_dispute_created, Record(_REASON), _BOTH),
    "dispute.resolved": Scenario(_dispute_resolved, Record({**_REASON, **_OUTCOME}), _BOTH),
}
"""Every documented type."""


TRIGGER = Record(
    {
        "type": Text(100, "[a-z_]+[.][a-z_.]+", "a type of event, such as payment.completed"),
        "account": Text(255),
        "mode": Choice(("test", "live")),
        "payment": Text(255),
        "amount": AMOUNT,
        "data": AnyObject(),
    },
    required=("type",),
)

_MISSPELT = 0.9
"""How like a documented type one is that was hardly meant to be another."""


def trigger_event(engine: Engine, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Make an event of ``given["type"]`` happen; return all that came of it, in order.

    :raises ApiError: for an unknown field, or what the state machine forbids.
    """
    asked = TRIGGER.check(given)
    with engine.store.transaction():
        account = engine.account(_tenant(engine, asked))
        scenario = SCENARIOS.get(asked["type"])
        if scenario is None:
            return [shown(_custom(account, asked))]
        before = len(account.table("event").ids)
        scenario.run(account, _checked(asked, scenario))
        return _made_since(account, before, asked["type"])


def _checked(asked: dict[str, Any], scenario: Scenario) -> TriggerRequest:
    for name in ("payment", "amount"):
        if name in asked and name not in scenario.takes:
            raise invalid(name, f"has no part in {asked['type']}.")
    data = scenario.data.check(asked.get("data", {}), "data")
    return TriggerRequest(asked["type"], asked.get("payment"), asked.get("amount"), data)


def _tenant(engine: Engine, asked: dict[str, Any]) -> Tenant:
    mode = asked.get("mode", "test")
    name = asked.get("account")
    if name is not None:
        return tenant_named(name, mode)
    known = [tenant for tenant in engine.store.tenants() if tenant.mode == mode]
    if len(known) == 1:
        return known[0]
    raise ApiError(
        "parameter_missing",
        "Missing required parameter: account (what follows sk_test_ in the key)",
        param="account",
    )


def tenant_named(name: str, mode: str = "test") -> Tenant:
    """Return the tenant of an account.

    :raises ApiError: 400 for a name that no key could hold.
    """
    if not is_account(name):
        raise invalid("account", "must be what follows sk_test_ in the key, 8 characters or more.")
    return Tenant(name, "live" if mode == "live" else "test")


def authenticate(engine: Engine, account: Account, payment: Row, *, passed: bool) -> Row:
    """Answer for the cardholder; inside a transaction.

    :raises ApiError: 422 if the payment waits for no answer.
    """
    decided = (pass_challenge if passed else refuse_challenge)(account, payment)
    engine.log_step("paysafer_sandbox.authenticate", payment["id"], passed=passed)
    return decided


def event_of(event_type: str, made: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one that was asked for: it may have brought others with it."""
    return next(event for event in reversed(made) if event["type"] == event_type)


def _made_since(account: Account, before: int, event_type: str) -> list[dict[str, Any]]:
    table = account.table("event")
    made = [shown(table.rows[event_id]) for event_id in table.ids[before:]]
    if all(event["type"] != event_type for event in made):
        raise invalid("data", f"changes nothing, so no {event_type} follows.")
    return made


def _custom(account: Account, asked: dict[str, Any]) -> Row:
    """Send a type that isn't documented (yet), for handlers that wait for one."""
    data = asked.get("data", {})
    if isinstance(data.get("object"), str):
        return account.emit(asked["type"], data)
    meant = get_close_matches(asked["type"], SCENARIOS, n=1, cutoff=_MISSPELT)
    if meant:
        raise invalid(
            "type",
            f"not one of the documented types; did you mean {meant[0]}? For a future type give "
            'its whole object as data, with an "object" that names its kind.',
        )
    return account.emit(asked["type"], _imagined(account, asked) | data)


def _imagined(account: Account, asked: dict[str, Any]) -> Row:
    kind = asked["type"].partition(".")[0]
    given: Row = {name: asked[name] for name in ("payment", "amount") if name in asked}
    return {
        "id": new_id(kind),
        "object": kind,
        **given,
        "created": account.now(),
        "livemode": account.tenant.livemode,
    }


_CUSTOMERS = (
    ("Amal Haddad", "amal@example.com"),
    ("Omar Nasser", "omar@example.com"),
    ("Layla Karim", "layla@example.com"),
)
_PAYMENTS = (
    (15000, "visa", "Invoice #INV-2025-0042"),
    (4950, "mastercard", "Two bags of coffee"),
    (129900, "amex", "Espresso machine"),
    (7500, "chargeDeclined", "Gift card"),
    (2500, "visa_chargeDeclinedInsufficientFunds", "Filter papers"),
    (32000, "authenticationRequired", "Coffee course"),
    (8900, "createDispute", "Grinder brush"),
)


def seed(engine: Engine, account_name: str) -> dict[str, Any]:
    """Make customers, payments of every sort, a refund, disputes and payouts.

    :raises ApiError: 400 for a name that no key could hold.
    """
    with engine.store.transaction():
        account = engine.account(tenant_named(account_name))
        _make_history(account)
        counts = {kind: len(account.table(kind).rows) for kind in ("payment", "customer", "event")}
    return {
        "account": account_name,
        "secret_key": f"sk_test_{account_name}",
        "publishable_key": f"pk_test_{account_name}",
        "counts": counts,
    }


def _make_history(account: Account) -> None:
    buyers = [
        create_customer(account, {"name": name, "email": email}).body["id"]
        for name, email in _CUSTOMERS
    ]
    made = [
        _seed_payment(account, buyers[place % len(buyers)], *payment)
        for place, payment in enumerate(_PAYMENTS)
    ]
    refund_payment(account, made[1], {"amount": 950, "reason": "one bag came open"})
    held = _seed_payment(
        account, buyers[0], 60000, "visa", "Table reservation", capture_method="manual"
    )
    capture_payment(account, held, {"amount": 45000})
    _seed_payment(account, buyers[1], 9900, "visa", "Tasting, authorised", capture_method="manual")
    disputed = account.find("payment", made[2])
    open_dispute(account, disputed, reason="product_not_received")
    resolved = account.find("payment", made[2])["_open_dispute"]
    resolve_dispute(account, account.find("dispute", resolved), "won")
    pay_out(account, 50000, "aed", failure=None)
    pay_out(account, 25000, "aed", failure="account_closed")


def _seed_payment(
    account: Account, customer: str, amount: int, card: str, description: str, **more: str
) -> str:
    result = create_payment(
        account,
        {
            "amount": amount,
            "currency": "aed",
            "payment_method": f"pm_card_{card}",
            "customer": customer,
            "description": description,
            **more,
        },
    )
    payment_id: str = result.body.get("error", {}).get("payment", result.body)["id"]
    return payment_id
