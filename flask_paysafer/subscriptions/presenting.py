"""Make the objects that merchants see from what is stored: times in the plan's zone."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from .lifecycle import PeriodRecord, Record
from .objects import Period, Subscription


def present(record: Record, period: PeriodRecord | None, now: datetime) -> Subscription:
    """Return the subscription as merchants see it."""
    zone = record.schedule.zone
    is_over = record.state == "trialing" and record.schedule.anchor <= now
    return Subscription(
        reference=record.reference,
        plan=record.plan,
        customer=record.customer,
        payment_method=record.payment_method,
        metadata=record.metadata,
        state="pending" if is_over else record.state,
        anchor=record.schedule.anchor.astimezone(zone),
        period=None if period is None else presented(period, record),
        next_charge_at=_in(zone, record.next_charge_at),
        cancel_at=_in(zone, record.cancel_at),
        created_at=record.created_at.astimezone(zone),
        canceled_at=_in(zone, record.canceled_at),
    )


def presented(period: PeriodRecord, record: Record) -> Period:
    """Return the period as merchants see it."""
    zone = record.schedule.zone
    return Period(
        number=period.number,
        start=period.start.astimezone(zone),
        end=period.end.astimezone(zone),
        state=period.state,
        amount=period.amount,
        payment_id=period.payment_id,
        attempts=period.attempts,
        reason=period.reason,
    )


def _in(zone: ZoneInfo, moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(zone)
