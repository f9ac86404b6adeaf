"""What a payment proves to have happened, and the events that say so. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ...events import Event
from ...inbox.reconciliation import REFUNDED, Fact, refunded_sum
from ...profile import ApiProfile
from ...resources import Payment
from ...translation import event_around

_BY_STATUS = {"succeeded": "payment.completed", "failed": "payment.failed"}


def facts_of(payment: Payment) -> Iterator[Fact]:
    """Yield what must have happened to the payment, in the order in which it did."""
    yield Fact("payment.created", payment["id"])
    outcome = _BY_STATUS.get(getattr(payment, "status", ""))
    if outcome is not None:
        yield Fact(outcome, payment["id"])
    refunded = refunded_sum(payment)
    if refunded is not None:
        yield Fact(REFUNDED, payment["id"], refunded)


def event_of(
    fact: Fact, payment: Payment, *, seen_at: int, profile: ApiProfile
) -> tuple[Event, bytes]:
    """Return an event of our own that tells of the fact, and its bytes.

    Its id is the fact's name, ``data`` is the payment as it is now, ``created`` is when it
    was looked at, and ``reconciled`` marks it as ours.

    :raises InvalidPayloadError: if PaySafer's payment has an id that no event could have.
    """
    fields = {
        "id": fact.name,
        "object": "event",
        "type": fact.type,
        "created": seen_at,
        "data": payment,
        "reconciled": True,
    }
    payload = json.dumps(event_around(profile, fields), ensure_ascii=False).encode()
    return Event.from_json(payload, profile), payload
