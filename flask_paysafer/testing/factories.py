"""Builders of events: PaySafer's documented examples, with what a test wants different.

Keywords are the fields of the object that the event is about, so
``payment_completed(amount=5000)`` is a completed payment of 50.00. Every event
gets an id of its own, for an inbox takes each id once; ``event_id``,
``event_created`` and ``api_version`` set the fields of the event itself. Unless
``livemode=True`` says otherwise, they are test events.
"""

from __future__ import annotations

import secrets
from typing import Any

from ..event_examples import example_event
from ..events import Event
from ..resources import parse


def build_event(
    event_type: str,
    /,
    *,
    event_id: str | None = None,
    event_created: int | None = None,
    api_version: str | None = None,
    **fields: Any,
) -> Event:
    """Return an event of any documented type; see the module for the keywords.

    :raises OverrideError: for an unknown type or field, or a value of the wrong type;
        it says what was probably meant and what exists.
    """
    given = {"livemode": False, **fields}
    own = {"created": event_created, "api_version": api_version}
    overrides = {
        **{f"data.{name}": value for name, value in given.items()},
        **{name: value for name, value in own.items() if value is not None},
    }
    event = example_event(
        event_type, overrides, event_id=event_id or f"evt_{secrets.token_hex(12)}"
    )
    return Event({**event, "data": parse(event["data"])})


def payment_created(**fields: Any) -> Event:
    """Return ``payment.created``: a payment was created."""
    return build_event("payment.created", **fields)


def payment_completed(**fields: Any) -> Event:
    """Return ``payment.completed``: a payment was paid."""
    return build_event("payment.completed", **fields)


def payment_failed(**fields: Any) -> Event:
    """Return ``payment.failed``: a payment failed (``failure_reason`` tells why)."""
    return build_event("payment.failed", **fields)


def payment_refunded(**fields: Any) -> Event:
    """Return ``payment.refunded``: a payment was refunded (``amount_refunded`` tells how much)."""
    return build_event("payment.refunded", **fields)


def customer_created(**fields: Any) -> Event:
    """Return ``customer.created``: a customer was created."""
    return build_event("customer.created", **fields)


def customer_updated(**fields: Any) -> Event:
    """Return ``customer.updated``: a customer was changed."""
    return build_event("customer.updated", **fields)


def payout_completed(**fields: Any) -> Event:
    """Return ``payout.completed``: a payout reached the bank."""
    return build_event("payout.completed", **fields)


def payout_failed(**fields: Any) -> Event:
    """Return ``payout.failed``: a payout did not reach the bank (``failure_reason`` tells why)."""
    return build_event("payout.failed", **fields)


def dispute_created(**fields: Any) -> Event:
    """Return ``dispute.created``: a dispute was opened by the cardholder."""
    return build_event("dispute.created", **fields)


def dispute_resolved(**fields: Any) -> Event:
    """Return ``dispute.resolved``: a dispute was decided (``outcome`` is ``won`` or ``lost``)."""
    return build_event("dispute.resolved", **fields)
