"""A database of version 1: the tables and the rows that the code of that version made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, MetaData, insert, text

HERE = Path(__file__).parent

BODIES = {
    "evt_done": (
        '{"id": "evt_done", "object": "event", "type": "payment.completed", '
        '"created": 1709472000, "data": {"id": "pay_1", "object": "payment"}}'
    ),
    "evt_failed": (
        '{"id": "evt_failed", "object": "event", "type": "payment.failed", '
        '"created": 1709472000, "data": {"id": "pay_2", "object": "payment"}}'
    ),
    "evt_ignored": (
        '{"id": "evt_ignored", "object": "event", "type": "payout.failed", '
        '"created": 1709472000, "data": {"id": "po_1", "object": "payment"}}'
    ),
}


def _event(event_id: str, **fields: Any) -> dict[str, Any]:
    payload = BODIES[event_id].encode()
    return {
        "account": "paysafer",
        "event_id": event_id,
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


def _run(key: int, handler: str) -> dict[str, Any]:
    done = {"fence": 1, "attempt": 1, "done_at": 1764060000050, "skipped": None}
    return {"event_key": key, "handler": handler, **done}


ROWS: dict[str, list[dict[str, Any]]] = {
    "paysafer_event": [
        _event("evt_done", type="payment.completed", object_id="pay_1", state="done"),
        _event(
            "evt_failed",
            type="payment.failed",
            object_id="pay_2",
            state="failed",
            due_at=4611686018427387904,
        ),
        _event(
            "evt_ignored",
            type="payout.failed",
            object_id="po_1",
            state="ignored",
            fence=0,
            attempts=0,
            finished_at=None,
            note="no handler",
        ),
    ],
    "paysafer_handler_run": [_run(1, "fulfil"), _run(1, "mail"), _run(2, "fulfil")],
    "paysafer_handler_failure": [
        {
            "event_key": 2,
            "handler": "mail",
            "attempt": 1,
            "failed_at": 1764060000060,
            "error": "ValueError: out of stock",
        }
    ],
    "paysafer_delivery": [
        {
            "event_key": 1,
            "delivered_at": 1764060000200,
            "found": "done",
            "verified_with": "0badcafe",
        }
    ],
    "paysafer_schema": [{"id": 1, "version": 1}],
}


def make_version_1(engine: Engine) -> None:
    """Make the tables as that version had them, with what it had stored in them."""
    dialect = "mariadb" if engine.dialect.name == "mysql" else engine.dialect.name
    with engine.begin() as connection:
        for statement in (HERE / f"{dialect}.sql").read_text("utf-8").split(";\n"):
            if statement.strip():
                connection.execute(text(statement))
        known = MetaData()
        known.reflect(connection)
        for name, rows in ROWS.items():
            connection.execute(insert(known.tables[name]), rows)
