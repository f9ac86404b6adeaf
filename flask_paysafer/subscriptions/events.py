"""Write the events of subscriptions, each in the commit of the change that it is about."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from ..errors import ConfigurationError
from .lifecycle import LocalEvent, PeriodRecord, Record

if TYPE_CHECKING:
    from datetime import datetime

    from ..inbox.local import LocalEvents, WrittenEvent
    from .links import PaymentLinks

logger = logging.getLogger(__name__)


class EventWriter:
    """Writes one change's events.

    :param mark: The installation id, so that no other shop's event has the same id.
    :param now: When it happened, by the application's clock.
    """

    def __init__(
        self, events: LocalEvents, links: PaymentLinks, *, mark: str, now: datetime
    ) -> None:
        self._events = events
        self._links = links
        self._mark = mark
        self._now = now

    def write(
        self, connection: Connection, record: Record, event: LocalEvent
    ) -> WrittenEvent | None:
        """Store the event in the caller's transaction; None if it was written before."""
        number = 0 if event.period is None else event.period.number
        about = () if event.type == "subscription.canceled" else (number,)
        return self._events.write(
            connection,
            event.type,
            self._data(record, event),
            created=int(self._now.timestamp()),
            fact=(self._mark, record.reference, int(record.created_at.timestamp()), *about),
        )

    def _data(self, record: Record, event: LocalEvent) -> dict[str, Any]:
        data: dict[str, Any] = {
            "object": "subscription",
            "reference": record.reference,
            "plan": record.plan,
            "customer": record.customer,
            "state": record.state,
            "period": None if event.period is None else _period(event.period),
        }
        if event.reason is not None:
            data["reason"] = event.reason
        if event.type == "subscription.past_due" and event.period is not None:
            retry_at = event.period.retry_at
            data["next_charge_at"] = None if retry_at is None else int(retry_at.timestamp())
        if event.period is not None and event.period.is_payable:
            data.update(self._link(record, event.period))
        return data

    def _link(self, record: Record, period: PeriodRecord) -> dict[str, str]:
        if record.state == "canceled":
            return {}
        try:
            return {"payment_url": self._links.url(record.reference, period.number)}
        except ConfigurationError as error:
            logger.warning("An event of %r has no payment_url: %s", record.reference, error)
            return {}


def _period(period: PeriodRecord) -> dict[str, Any]:
    return {
        "number": period.number,
        "start": int(period.start.timestamp()),
        "end": int(period.end.timestamp()),
        "state": period.state,
        "amount": None if period.amount is None else period.amount.amount,
        "currency": None if period.amount is None else period.amount.currency,
        "payment": period.payment_id,
    }
