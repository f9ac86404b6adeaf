"""The lists of the dashboard: newest first, searched, and cut to what a page can show."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ...money import Money
from ..engine import Engine
from ..failures import ApiError
from ..ledger import Row, shown
from ..realms import Realm

KINDS = {
    "payment": "Payments",
    "customer": "Customers",
    "event": "Events",
    "delivery": "Deliveries",
    "dispute": "Disputes",
    "payout": "Payouts",
    "webhook_endpoint": "Endpoints",
    "request": "Requests",
}
"""What can be listed, and what the page calls it."""

MOST_ROWS = 100
"""How many rows a list shows; a search finds the others."""
_LEFT_OUT = {"request", "response"}


def counts(engine: Engine) -> dict[str, int]:
    """Return how many there are of each kind."""
    stored = {
        kind: sum(len(engine.ledger.shelf(kind, realm).rows) for realm in engine.ledger.realms())
        for kind in KINDS
        if kind != "request"
    }
    return {**stored, "request": len(engine.log.listed())}


def listing(engine: Engine, kind: str, search: str) -> dict[str, Any]:
    """Return the newest rows of a kind in which ``search`` occurs.

    :raises ApiError: 404 for a kind that there is not.
    """
    if kind not in KINDS:
        raise ApiError("resource_missing", f"No such kind: {kind[:100]}")
    words = search.lower().split()
    found = (row for row in _newest_first(engine, kind) if _has(row, words))
    rows = [_short(row) for row in islice(found, MOST_ROWS)]
    return {"kind": kind, "rows": rows, "has_more": next(found, None) is not None}


def _newest_first(engine: Engine, kind: str) -> Iterator[dict[str, Any]]:
    if kind == "request":
        yield from reversed(engine.log.listed())
    for realm, row in reversed(engine.ledger.rows(kind)):
        yield described(realm, row)


def described(realm: Realm, row: Row) -> dict[str, Any]:
    """Return a row with whose it is, its amount as people write it, and an open dispute."""
    described = {**shown(row), "account": realm.account, "mode": realm.mode}
    if "amount" in row:
        described["money"] = money(row["amount"], row["currency"])
    if row.get("_open_dispute"):
        described["disputed"] = True
    return described


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
