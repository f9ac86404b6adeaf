"""Builders of attempts, and of orders as they are stored."""

from __future__ import annotations

from typing import Any

from flask_paysafer.checkout.payments import attempt_key
from flask_paysafer.inbox.attempts import Attempt, OrderRecord
from flask_paysafer.money import Money


def an_attempt(number: int = 1, **overrides: Any) -> Attempt:
    """Return an attempt that was just begun."""
    fields: dict[str, Any] = {
        "reference": "1234",
        "number": number,
        "shop": "5h0p",
        "key": attempt_key("5h0p", "1234", number),
        "money": Money(15000, "aed"),
        "manual_capture": False,
        "state": "asked",
        "request": {"amount": 15000, "currency": "aed", "payment_method": "tok_1"},
    }
    return Attempt(**fields | overrides)


def a_record(*attempts: Attempt, **overrides: Any) -> OrderRecord:
    """Return a stored order with these attempts, the one that counts first."""
    fields: dict[str, Any] = {
        "reference": "1234",
        "shop": "5h0p",
        "count": len(attempts),
        "attempts": attempts,
        "closed": False,
        "expired": False,
        "expires_at": None,
        "created_at": 1_709_472_000.0,
    }
    return OrderRecord(**fields | overrides)
