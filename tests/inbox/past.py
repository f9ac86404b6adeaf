"""Databases of earlier versions: the tables and the rows that the code of those versions made."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Engine, MetaData, insert, text

HERE = Path(__file__).parent

Version = Literal[1, 2]
VERSIONS: tuple[Version, ...] = (1, 2)

NEVER = 2**62
"""When an event that needed an operator was due."""


def body(event_id: str, event_type: str, object_id: str, **data: Any) -> str:
    """Return an event as PaySafer sends it."""
    return json.dumps(
        {
            "id": event_id,
            "object": "event",
            "type": event_type,
            "created": 1709472000,
            "data": {"id": object_id, "object": "payment", **data},
        }
    )


BODIES = {
    "evt_done": body("evt_done", "payment.completed", "pay_1"),
    "evt_failed": body("evt_failed", "payment.failed", "pay_2"),
    "evt_ignored": body("evt_ignored", "payout.failed", "po_1"),
    "evt_pending": body("evt_pending", "payment.completed", "pay_3"),
    "evt_held": body("evt_held", "payment.completed", "pay_4"),
    "evt_followed": body("evt_followed", "payment.completed", "pay_5"),
    "evt_refunded": body("evt_refunded", "payment.refunded", "pay_1", amount_refunded=400),
}


def _event(event_id: str, event_type: str, object_id: str, state: str, **fields: Any) -> Any:
    payload = fields.pop("payload", BODIES.get(event_id, "not JSON")).encode()
    return {
        "account": "paysafer",
        "event_id": event_id,
        "type": event_type,
        "object_id": object_id,
        "state": state,
        "created": 1709472000,
        "fence": 1,
        "attempts": 1,
        "due_at": None,
        "note": None,
        "received_at": 1764060000000,
        "finished_at": 1764060000100,
        "digest": hashlib.sha256(payload).hexdigest(),
        "verified_with": "0badcafe",
        "encrypted": False,
        "payload": payload,
        **fields,
    }


def _untouched(event_id: str, event_type: str, object_id: str, state: str, **fields: Any) -> Any:
    fresh = {"fence": 0, "attempts": 0, "finished_at": None}
    return _event(event_id, event_type, object_id, state, **{**fresh, **fields})


def _run(key: int, handler: str) -> dict[str, Any]:
    done = {"fence": 1, "attempt": 1, "done_at": 1764060000050, "skipped": None}
    return {"event_key": key, "handler": handler, **done}


def _failure(key: int, handler: str) -> dict[str, Any]:
    failed = {"attempt": 1, "failed_at": 1764060000060, "error": "ValueError: out of stock"}
    return {"event_key": key, "handler": handler, **failed}


def _delivery(key: int, found: str) -> dict[str, Any]:
    when = {"delivered_at": 1764060000200, "verified_with": "0badcafe"}
    return {"event_key": key, "found": found, **when}


Rows = dict[str, list[dict[str, Any]]]

ROWS_1: Rows = {
    "paysafer_event": [
        _event("evt_done", "payment.completed", "pay_1", "done"),
        _event("evt_failed", "payment.failed", "pay_2", "failed", due_at=NEVER),
        _untouched("evt_ignored", "payout.failed", "po_1", "ignored", note="no handler"),
        _untouched("evt_pending", "payment.completed", "pay_3", "pending", due_at=1764060000000),
        _untouched(
            "evt_held",
            "payment.completed",
            "pay_4",
            "processing",
            fence=3,
            attempts=2,
            due_at=1764060300000,
        ),
        _untouched(
            "quarantined_b", "", "pay_9", "quarantined", due_at=NEVER, note="no JSON", created=0
        ),
    ],
    "paysafer_handler_run": [_run(1, "fulfil"), _run(1, "mail"), _run(2, "fulfil")],
    # The last one's event was deleted while its failure was stored.
    "paysafer_handler_failure": [_failure(2, "mail"), _failure(99, "mail")],
    "paysafer_delivery": [_delivery(1, "done"), _delivery(99, "done")],
    "paysafer_watermark": [
        {
            "account": "paysafer",
            "handler": "mail",
            "object_id": "pay_1",
            "created": 1709472000,
            "held_by": None,
            "held_until": None,
        }
    ],
    "paysafer_schema": [{"id": 1, "version": 1}],
}

ROWS_2: Rows = {
    **ROWS_1,
    "paysafer_event": [
        *({**row, "visited_until": None} for row in ROWS_1["paysafer_event"]),
        _event(
            "evt_followed",
            "payment.completed",
            "pay_5",
            "done",
            note="handled as payment.completed:pay_5",
            visited_until=None,
        ),
        _event("evt_refunded", "payment.refunded", "pay_1", "done", visited_until=1764060000000),
        _event(
            "payment.completed:pay_5",
            "payment.completed",
            "pay_5",
            "done",
            payload=body("payment.completed:pay_5", "payment.completed", "pay_5"),
            visited_until=None,
        ),
    ],
    "paysafer_fact": [
        {
            "account": "paysafer",
            "type": "payment.completed",
            "object_id": "pay_5",
            "amount": 0,
            "seen_at": 1709472000,
            "stands": True,
            "event_key": 9,
        }
    ],
    "paysafer_checkout": [
        {
            "account": "paysafer",
            "reference": "1234",
            "shop": "shop_1",
            "attempts": 1,
            "created_at": 1764060000000,
        }
    ],
    "paysafer_checkout_attempt": [
        {
            "account": "paysafer",
            "reference": "1234",
            "number": 1,
            "idempotency_key": "order_1234_attempt_1",
            "amount": 15000,
            "currency": "aed",
            "manual_capture": False,
            "state": "asked",
            "payment_id": None,
            "failure": None,
            "next_url": None,
            "request": b"{}",
            "request_encrypted": False,
            "begun_at": 1764060000000,
            "due_at": 1764060000000,
            "fence": 0,
        }
    ],
    "paysafer_schema": [{"id": 1, "version": 2}],
}

ROWS: dict[Version, Rows] = {1: ROWS_1, 2: ROWS_2}


def make_past(engine: Engine, version: Version) -> None:
    """Make the tables as that version had them, with what it had stored in them."""
    dialect = "mariadb" if engine.dialect.name == "mysql" else engine.dialect.name
    source = (HERE / f"version_{version}" / f"{dialect}.sql").read_text("utf-8")
    with engine.begin() as connection:
        for statement in source.split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
        known = MetaData()
        known.reflect(connection)
        for name, rows in ROWS[version].items():
            connection.execute(insert(known.tables[name]), rows)
