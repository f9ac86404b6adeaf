"""The dashboard's data: lists, searched and cut, and one object with what belongs to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...money import Money
from ..engine import Engine
from ..errors import ApiError
from ..payments import FROM
from ..store import Row, Tenant, shown

KINDS = {
    "payment": "Payments",
    "customer": "Customers",
    "payment_method": "Saved cards",
    "event": "Events",
    "delivery": "Deliveries",
    "dispute": "Disputes",
    "payout": "Payouts",
    "webhook_endpoint": "Endpoints",
    "request": "Requests",
}
"""The kinds of rows, and their titles on the page."""

ROWS = 50
"""How many rows a page of a list shows."""
FILTERS = ("status", "endpoint", "account", "mode")
"""The filters of a list, besides the search."""
_LEFT_OUT = {"request", "response"}


def counts(engine: Engine) -> dict[str, int]:
    """Return how many there are of each kind."""
    stored = {
        kind: sum(len(engine.store.table(kind, tenant).rows) for tenant in engine.store.tenants())
        for kind in KINDS
        if kind != "request"
    }
    return {**stored, "request": len(engine.log.listed())}


def listing(
    engine: Engine, kind: str, search: str, filters: Mapping[str, str], page: int
) -> dict[str, Any]:
    """Return one page of a kind's rows, newest first.

    :param search: Words that must all occur in a row.
    :param filters: Values of :data:`FILTERS` that a row must have.
    :param page: From 1; one that is too high is the last.
    :raises ApiError: 404 for an unknown kind.
    """
    if kind not in KINDS:
        raise ApiError("resource_missing", f"No such kind: {kind[:100]}")
    words = search.lower().split()
    choices: dict[str, set[str]] = {name: set() for name in FILTERS}
    found = []
    for row in _newest_first(engine, kind):
        facets = _facets(kind, row)
        for name, value in facets.items():
            choices[name].add(value)
        if _fits(facets, filters) and _has(row, words):
            found.append(row)
    pages = max(1, -(-len(found) // ROWS))
    page = min(max(page, 1), pages)
    return {
        "kind": kind,
        "rows": [_short(row) for row in found[(page - 1) * ROWS : page * ROWS]],
        "total": len(found),
        "page": page,
        "pages": pages,
        "first": (page - 1) * ROWS + 1,
        "choices": {name: sorted(values) for name, values in choices.items()},
    }


def _newest_first(engine: Engine, kind: str) -> Iterator[dict[str, Any]]:
    if kind == "request":
        for entry in reversed(engine.log.listed()):
            yield {**entry, "state": _state("request", entry)}
    for tenant, row in reversed(engine.store.rows(kind)):
        yield described(tenant, row)


def _facets(kind: str, row: dict[str, Any]) -> dict[str, str]:
    """Return what a row can be filtered by."""
    found = {
        "status": row["type"] if kind == "event" else row["state"],
        "endpoint": row.get("url") if kind == "delivery" else None,
        "account": row["account"],
        "mode": row["mode"],
    }
    return {name: value for name, value in found.items() if value}


def _fits(facets: Mapping[str, str], filters: Mapping[str, str]) -> bool:
    return all(facets.get(name) == value for name, value in filters.items())


def described(tenant: Tenant, row: Row) -> dict[str, Any]:
    """Return a row with its account, its state in one word, and amounts as people write them."""
    described = {**shown(row), "account": tenant.account, "mode": tenant.mode}
    described["state"] = _state(row.get("object", ""), row)
    if "amount" in row:
        names = ("amount", "amount_received", "amount_refunded")
        described["amounts"] = {
            name: money(row[name], row["currency"]) for name in names if name in row
        }
        described["money"] = described["amounts"]["amount"]
    if row.get("amount_received"):
        left = row["amount_received"] - row["amount_refunded"]
        described["refundable"] = money(left, row["currency"])
    return described


def _state(kind: str, row: Row) -> str:
    """Return the one word that the whole dashboard has for a row's state."""
    if kind == "request":
        return "no answer" if row["status"] is None else str(row["status"])
    if kind == "dispute":
        return str(row["outcome"] or row["status"])
    state = str(row.get("status", ""))
    if row.get("_open_dispute"):
        state = "disputed"
    elif row.get("amount_refunded"):
        whole = row["amount_refunded"] == row["amount_received"]
        state = "refunded" if whole else "partly refunded"
    elif kind == "delivery" and state == "pending" and row["attempts"]:
        state = "retrying"
    return state.replace("_", " ")


def money(amount: int, currency: str) -> str:
    """Return an amount as people write it."""
    return str(Money(amount, currency))


def _has(row: dict[str, Any], words: Sequence[str]) -> bool:
    if not words:
        return True
    text = json.dumps(row, ensure_ascii=False).lower()
    return all(word in text for word in words)


def _short(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what only the detail shows: whole requests and their answers."""
    short = {name: value for name, value in row.items() if name not in _LEFT_OUT}
    if "attempts" in row:
        short["attempts"] = [_short(attempt) for attempt in row["attempts"]]
    return short


_RELATED = 50
_OFFERED = ("challenge", "capture", "cancel", "refund", "dispute")
"""The actions on a payment, in the order of their buttons."""


def find(engine: Engine, row_id: str) -> tuple[str, Tenant, Row] | None:
    """Return the kind, the tenant and the row of an id of any account, or None."""
    for kind in KINDS:
        for tenant in engine.store.tenants():
            row = engine.store.get(kind, tenant, row_id)
            if row is not None:
                return kind, tenant, row
    return None


def detail(engine: Engine, row_id: str) -> dict[str, Any] | None:
    """Return all about one object or request; None if it is gone."""
    logged = next((entry for entry in engine.log.listed() if entry["id"] == row_id), None)
    if logged is not None:
        return {"kind": "request", "object": {**logged, "state": _state("request", logged)}}
    found = find(engine, row_id)
    if found is None:
        return None
    kind, tenant, row = found
    return {
        "kind": kind,
        "object": described(tenant, row),
        "actions": _actions(kind, row),
        **_private(kind, row),
        **_related(engine, kind, tenant, row),
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


def _related(engine: Engine, kind: str, tenant: Tenant, row: Row) -> dict[str, Any]:
    row_id = row["id"]

    def those(wanted: str, field: str, *values: str) -> list[dict[str, Any]]:
        rows = engine.store.table(wanted, tenant).rows.values()
        found = [described(tenant, one) for one in rows if one.get(field) in values]
        return found[-_RELATED:]

    if kind == "event":
        return {"deliveries": those("delivery", "event", row_id)}
    if kind == "webhook_endpoint":
        return {"deliveries": those("delivery", "endpoint", row_id)}
    if kind == "delivery":
        return {"event": engine.store.get("event", tenant, row["event"])}
    events = _events_of(engine, tenant, row_id)
    return {
        "events": events,
        "deliveries": those("delivery", "event", *(event["id"] for event in events)),
        "disputes": those("dispute", "payment", row_id),
        "payments": those("payment", "customer", row_id),
        "cards": those("payment_method", "customer", row_id),
        "requests": _requests_of(engine, row_id),
    }


def _events_of(engine: Engine, tenant: Tenant, row_id: str) -> list[dict[str, Any]]:
    rows = engine.store.table("event", tenant).rows.values()
    about = [row for row in rows if row_id in {row["data"].get("id"), row["data"].get("payment")}]
    return [described(tenant, row) for row in about[-_RELATED:]]


def _requests_of(engine: Engine, row_id: str) -> list[dict[str, Any]]:
    """Return the calls whose address or answer names the object."""
    about = [
        entry
        for entry in engine.log.listed()
        if row_id in entry["path"] or json.dumps(row_id) in entry["response"].get("body", "")
    ]
    return [{**_short(entry), "state": _state("request", entry)} for entry in about[-_RELATED:]]
