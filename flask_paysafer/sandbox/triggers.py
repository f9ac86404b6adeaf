"""Make an event happen: really, through the state machine, so that the API agrees with it."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from . import shapes
from .account import Account
from .engine import Engine
from .failures import ApiError, invalid
from .fields import AnyObject, Choice, Record, Text
from .happenings import HAPPENINGS, Happening, Order
from .ids import new_id
from .ledger import Row, shown
from .payments import pass_challenge, refuse_challenge
from .realms import Realm, is_account

TRIGGER = Record(
    {
        "type": Text(100, "[a-z_]+[.][a-z_.]+", "a type of event, such as payment.completed"),
        "account": Text(255),
        "mode": Choice(("test", "live")),
        "payment": Text(255),
        "amount": shapes.AMOUNT,
        "data": AnyObject(),
    },
    required=("type",),
)

_MISSPELT = 0.9
"""How like a documented type one is that was hardly meant to be another."""


def happen(engine: Engine, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Make an event of ``given["type"]`` happen; return all that came of it, in order.

    :raises ApiError: for an unknown field, or what the state machine forbids.
    """
    order = TRIGGER.check(given)
    with engine.ledger.transaction():
        account = engine.account(_realm(engine, order))
        happening = HAPPENINGS.get(order["type"])
        if happening is None:
            return [shown(_custom(account, order))]
        before = len(account.shelf("event").ids)
        happening.happen(account, _checked(order, happening))
        return _made_since(account, before, order["type"])


def _checked(order: dict[str, Any], happening: Happening) -> Order:
    for name in ("payment", "amount"):
        if name in order and name not in happening.takes:
            raise invalid(name, f"has no part in {order['type']}.")
    data = happening.data.check(order.get("data", {}), "data")
    return Order(order["type"], order.get("payment"), order.get("amount"), data)


def _realm(engine: Engine, order: dict[str, Any]) -> Realm:
    mode = order.get("mode", "test")
    name = order.get("account")
    if name is not None:
        return realm_named(name, mode)
    known = [realm for realm in engine.ledger.realms() if realm.mode == mode]
    if len(known) == 1:
        return known[0]
    raise ApiError(
        "parameter_missing",
        "Missing required parameter: account (what follows sk_test_ in the key)",
        param="account",
    )


def realm_named(name: str, mode: str = "test") -> Realm:
    """Return the realm of an account.

    :raises ApiError: 400 for a name that no key could hold.
    """
    if not is_account(name):
        raise invalid("account", "must be what follows sk_test_ in the key, 8 characters or more.")
    return Realm(name, "live" if mode == "live" else "test")


def authenticate(engine: Engine, account: Account, payment: Row, *, passed: bool) -> Row:
    """Answer for the cardholder; inside a transaction.

    :raises ApiError: 422 if the payment waits for no answer.
    """
    decided = (pass_challenge if passed else refuse_challenge)(account, payment)
    engine.tell("paysafer_sandbox.authenticate", payment["id"], passed=passed)
    return decided


def event_of(event_type: str, made: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the one that was asked for: it may have brought others with it."""
    return next(event for event in reversed(made) if event["type"] == event_type)


def _made_since(account: Account, before: int, event_type: str) -> list[dict[str, Any]]:
    shelf = account.shelf("event")
    made = [shown(shelf.rows[event_id]) for event_id in shelf.ids[before:]]
    if all(event["type"] != event_type for event in made):
        raise invalid("data", f"changes nothing, so no {event_type} follows.")
    return made


def _custom(account: Account, order: dict[str, Any]) -> Row:
    """Send a type that isn't documented (yet), for handlers that wait for one."""
    data = order.get("data", {})
    if isinstance(data.get("object"), str):
        return account.emit(order["type"], data)
    meant = get_close_matches(order["type"], HAPPENINGS, n=1, cutoff=_MISSPELT)
    if meant:
        raise invalid(
            "type",
            f"not one of the documented types; did you mean {meant[0]}? For a future type give "
            'its whole object as data, with an "object" that names its kind.',
        )
    return account.emit(order["type"], _imagined(account, order) | data)


def _imagined(account: Account, order: dict[str, Any]) -> Row:
    kind = order["type"].partition(".")[0]
    told: Row = {name: order[name] for name in ("payment", "amount") if name in order}
    return {
        "id": new_id(kind),
        "object": kind,
        **told,
        "created": account.now(),
        "livemode": account.realm.livemode,
    }
