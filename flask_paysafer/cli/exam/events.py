"""The events that an exam sends. Handlers know them by ``metadata["paysafer_exam"]``."""

from __future__ import annotations

import json
from typing import Any

MARK = {"paysafer_exam": "true"}
"""In the metadata of every object an exam sends: handlers may return at once for it."""

_OBJECTS: dict[str, dict[str, Any]] = {
    "payment": {"id": "pay_exam", "amount": 100, "currency": "aed", "status": "succeeded"},
    "customer": {"id": "cus_exam", "name": "Exam"},
    "payout": {"id": "po_exam", "amount": 100, "currency": "aed", "status": "paid"},
    "dispute": {"id": "dp_exam", "payment": "pay_exam", "amount": 100, "currency": "aed"},
}


def exam_event(event_id: str, kind: str, created: int, **changes: Any) -> dict[str, Any]:
    """Return an event of type ``kind``, always of test mode: a live shop stores and ignores it."""
    name = kind.partition(".")[0]
    data = {"object": name, "livemode": False, "metadata": MARK, "created": created}
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "api_version": "2026-01-15",
        "created": created,
        "data": {**_OBJECTS.get(name, {"id": "exam"}), **data, **changes},
    }


def written(event: dict[str, Any]) -> bytes:
    """Return the event as no JSON library writes it by default.

    What reads it and writes it again changes its bytes, and so breaks its signature.
    """
    return (json.dumps(event, indent=3, separators=(" ,", " :  ")) + "\n").encode()


def rewritten(event: dict[str, Any]) -> bytes:
    """Return the event as Flask's own JSON would write it."""
    return json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
