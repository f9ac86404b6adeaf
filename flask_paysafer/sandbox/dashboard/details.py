"""One object, whole, with what belongs to it and what can be done with it now."""

from __future__ import annotations

import json
from typing import Any

from ..engine import Engine
from ..ledger import Row
from ..realms import Realm
from ..transitions import FROM
from .lists import KINDS, described

_RELATED = 50
_OFFERED = ("challenge", "capture", "cancel", "refund", "dispute")
"""What the buttons can do with a payment, in their order."""


def find(engine: Engine, row_id: str) -> tuple[str, Realm, Row] | None:
    """Return the kind, the realm and the row of an id of any account, or None."""
    for kind in KINDS:
        for realm in engine.ledger.realms():
            row = engine.ledger.get(kind, realm, row_id)
            if row is not None:
                return kind, realm, row
    return None


def detail(engine: Engine, row_id: str) -> dict[str, Any] | None:
    """Return all about one object or request; None if it is gone."""
    logged = next((entry for entry in engine.log.listed() if entry["id"] == row_id), None)
    if logged is not None:
        return {"kind": "request", "object": logged}
    found = find(engine, row_id)
    if found is None:
        return None
    kind, realm, row = found
    return {
        "kind": kind,
        "object": described(realm, row),
        "actions": _actions(kind, row),
        **_private(kind, row),
        **_related(engine, kind, realm, row),
    }


def _actions(kind: str, row: Row) -> list[str]:
    if kind == "dispute":
        return ["win", "lose"] if row["status"] == "open" else []
    if kind != "payment":
        return []
    allowed = [verb for verb in _OFFERED if row["status"] in FROM[verb]]
    if row.get("_open_dispute") or row["amount_refunded"] == row["amount_received"]:
        return [verb for verb in allowed if verb not in {"refund", "dispute"}]
    return allowed


def _private(kind: str, row: Row) -> dict[str, Any]:
    """Show an endpoint's signing secret, as PaySafer's own Dashboard does."""
    return {"secret": row["_secret"]} if kind == "webhook_endpoint" else {}


def _related(engine: Engine, kind: str, realm: Realm, row: Row) -> dict[str, Any]:
    row_id = row["id"]

    def those(wanted: str, field: str, *values: str) -> list[dict[str, Any]]:
        rows = engine.ledger.shelf(wanted, realm).rows.values()
        found = [described(realm, one) for one in rows if one.get(field) in values]
        return found[-_RELATED:]

    if kind == "event":
        return {"deliveries": those("delivery", "event", row_id)}
    if kind == "webhook_endpoint":
        return {"deliveries": those("delivery", "endpoint", row_id)}
    if kind == "delivery":
        return {"event": engine.ledger.get("event", realm, row["event"])}
    events = _events_of(engine, realm, row_id)
    return {
        "events": events,
        "deliveries": those("delivery", "event", *(event["id"] for event in events)),
        "disputes": those("dispute", "payment", row_id),
        "payments": those("payment", "customer", row_id),
        "requests": _requests_of(engine, row_id),
    }


def _events_of(engine: Engine, realm: Realm, row_id: str) -> list[dict[str, Any]]:
    rows = engine.ledger.shelf("event", realm).rows.values()
    about = [row for row in rows if row_id in {row["data"].get("id"), row["data"].get("payment")}]
    return [described(realm, row) for row in about[-_RELATED:]]


def _requests_of(engine: Engine, row_id: str) -> list[dict[str, Any]]:
    """Return the calls whose address or answer names the object."""
    about = [
        entry
        for entry in engine.log.listed()
        if row_id in entry["path"] or json.dumps(row_id) in entry["response"].get("body", "")
    ]
    return [
        {name: value for name, value in entry.items() if name not in {"request", "response"}}
        for entry in about[-_RELATED:]
    ]
