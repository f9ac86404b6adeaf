"""Events for tests of the inbox."""

from __future__ import annotations

import itertools
import json
from typing import Any, NamedTuple

from flask_paysafer.events import Event
from flask_paysafer.inbox.records import Recorded
from flask_paysafer.inbox.store import Inbox
from flask_paysafer.webhooks.runner import Dispatcher, DispatchResult

_numbers = itertools.count(1)


def event_body(event_id: str | None = None, **changes: Any) -> bytes:
    """Return the bytes of an event; ``data`` is merged, all else replaced."""
    data = {"id": "pay_1", "object": "payment", "amount": 15000, "currency": "aed"}
    fields = {
        "id": event_id or f"evt_{next(_numbers)}",
        "object": "event",
        "type": "payment.completed",
        "api_version": "2026-01-15",
        "created": 1709472000,
        "data": data | changes.pop("data", {}),
    }
    return json.dumps(fields | changes).encode()


class Delivered(NamedTuple):
    """What a delivery led to."""

    recorded: Recorded
    result: DispatchResult | None


def record(inbox: Inbox, body: bytes, **options: Any) -> Recorded:
    """Store an event as the webhook does."""
    options.setdefault("verified_with", "0badcafe")
    return inbox.record(Event.from_json(body), body, **options)


def deliver(inbox: Inbox, dispatcher: Dispatcher, body: bytes) -> Delivered:
    """Store and dispatch an event as the webhook does."""
    event = Event.from_json(body)
    recorded = inbox.record(event, body, verified_with="0badcafe")
    if recorded.conflict:
        return Delivered(recorded, None)
    return Delivered(recorded, dispatcher.dispatch(recorded, event))
