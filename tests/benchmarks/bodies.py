"""Event bodies of given sizes, signed as PaySafer would sign them."""

from __future__ import annotations

import itertools
import json
import time
from typing import Any

from flask_paysafer import Webhook

SECRET = "whsec_benchmarks0123456789"
_numbers = itertools.count(1)


def event(event_id: str = "evt_bench", *, metadata: int = 2) -> dict[str, Any]:
    """Return an event of about 400 bytes, and 29 more for every entry of ``metadata``."""
    payment = {
        "id": "pay_1NRv2H2eZvKYlo2CkMzPF4fS",
        "object": "payment",
        "amount": 15000,
        "amount_received": 15000,
        "currency": "aed",
        "status": "succeeded",
        "customer": "cus_9s6XKzkNRiz8i3",
        "metadata": {f"order_{n:04}": f"value_{n:06}" for n in range(metadata)},
        "created": 1709472000,
        "livemode": False,
    }
    return {
        "id": event_id,
        "object": "event",
        "type": "payment.completed",
        "api_version": "2026-01-15",
        "created": 1709472000,
        "data": payment,
    }


def of_size(size: int) -> bytes:
    """Return an event's body of about ``size`` bytes."""
    smallest = len(json.dumps(event(metadata=0)))
    entry = len(json.dumps({"order_0000": "value_000000"}))
    return json.dumps(event(metadata=max(0, (size - smallest) // entry))).encode()


def fresh() -> bytes:
    """Return the body of an event that was never sent before."""
    return json.dumps(event(f"evt_{time.time_ns():x}_{next(_numbers)}")).encode()


def sign(body: bytes, *, age: int = 0) -> str:
    """Return the signature header for ``body``, ``age`` seconds old."""
    return Webhook.sign(body, SECRET, timestamp=int(time.time()) - age)
