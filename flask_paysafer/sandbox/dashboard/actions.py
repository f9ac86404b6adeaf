"""What the dashboard's buttons do that steering has no route for.

They go to the state machine itself, not through the API: a click counts against
no rate limit, meets no armed fault, and stands in no request log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint
from flask.typing import ResponseReturnValue

from .. import endpoints, payments, shapes
from ..account import Account, Result
from ..engine import Engine
from ..failures import ApiError, invalid
from ..fields import Record, Text
from ..realms import Realm, is_account
from .details import find

_CHANGES: dict[str, tuple[Record, Callable[[Account, str, dict[str, Any]], Result]]] = {
    "capture": (shapes.CAPTURE_PAYMENT, payments.capture),
    "cancel": (shapes.CANCEL_PAYMENT, payments.cancel),
    "refund": (shapes.REFUND_PAYMENT, payments.refund),
}
_ENDPOINT = Record(
    {**shapes.CREATE_ENDPOINT.fields, "account": Text(255)}, required=("url", "account")
)


def add_routes(pages: Blueprint, engine: Engine, read: Callable[[], Any]) -> None:
    """Add the buttons' routes; ``read`` returns the request's JSON."""

    @pages.post("/_sandbox/dashboard/payments/<row_id>/<any(capture, cancel, refund):verb>")
    def change_payment(row_id: str, verb: str) -> ResponseReturnValue:
        return _change(engine, row_id, verb, read())

    @pages.post("/_sandbox/dashboard/endpoints")
    def add_endpoint() -> ResponseReturnValue:
        return _add_endpoint(engine, _ENDPOINT.check(read()))

    @pages.delete("/_sandbox/dashboard/endpoints/<row_id>")
    def delete_endpoint(row_id: str) -> ResponseReturnValue:
        with engine.ledger.transaction():
            realm = _realm_of(engine, "webhook_endpoint", row_id)
            return endpoints.delete(engine.account(realm), row_id).body


def _change(engine: Engine, row_id: str, verb: str, given: Any) -> dict[str, Any]:
    fields, operation = _CHANGES[verb]
    with engine.ledger.transaction():
        account = engine.account(_realm_of(engine, "payment", row_id))
        checked = fields.check(given)
        answer = operation(account, row_id, checked).body
    engine.tell(f"paysafer_client.payments.{verb}", row_id, **checked)
    return answer


def _realm_of(engine: Engine, kind: str, row_id: str) -> Realm:
    found = find(engine, row_id)
    if found is None or found[0] != kind:
        raise ApiError("resource_missing", f"No such {kind}: {row_id[:100]}", param="id")
    return found[1]


def _add_endpoint(engine: Engine, given: dict[str, Any]) -> dict[str, Any]:
    name = given.pop("account")
    if not is_account(name):
        raise invalid("account", "must be what follows sk_test_ in the key, 8 characters or more.")
    with engine.ledger.transaction():
        return endpoints.create(engine.account(Realm(name, "test")), given).body
