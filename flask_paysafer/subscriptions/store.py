"""Keep subscriptions and their periods; one holder at a time may change one.

Times of the schedule are the application's clock (the kit can move it); leases are the
database's. A change is one transaction: the subscription, its periods and the local events
that tell of it, and it is refused once another runner has taken the subscription over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select, update

from ..inbox.database import Database, InsertAbsent, insert_absent, now_ms
from ..money import Money
from .lifecycle import Change, PeriodRecord, Record
from .schedule import Interval, Schedule

if TYPE_CHECKING:
    from ..inbox.local import WrittenEvent
    from .events import EventWriter

_OPEN = ("due", "unpaid")


class HoldLostError(Exception):
    """Another runner has taken the subscription over; nothing was written."""


class SubscriptionStore:
    """The subscriptions of one account.

    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(self, database: Database, *, account: str) -> None:
        self._database = database
        self._account = account
        self._table = database.tables.subscription
        self._periods = database.tables.subscription_period

    @cached_property
    def _insert(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._table, {})

    @cached_property
    def _insert_period(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._periods, {})

    def add(self, record: Record, *, given: str) -> str:
        """Store a new subscription unless its reference is known.

        :param given: The digest of what it was created with.
        :returns: The digest that is stored.
        """
        row = {"account": self._account, "given": given, "held_until": None, **_row(record)}
        with self._database.transaction() as connection:
            self._insert(connection, row)
        with self._database.connected() as connection:
            stored: str = connection.execute(
                select(self._table.c.given).where(self._is(record.reference))
            ).scalar_one()
        return stored

    def get(self, reference: str, *, within: Connection | None = None) -> Record | None:
        """Return a subscription, or None.

        :param within: Read through this connection.
        """
        found = select(self._table).where(self._is(reference))
        row = self._one(found, within)
        return None if row is None else _record(row)

    def find(
        self,
        *,
        state: str | None = None,
        customer: str | None = None,
        plan: str | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> list[Record]:
        """Return subscriptions in the order of their references."""
        columns = self._table.c
        query = select(self._table).where(columns.account == self._account)
        for column, value in (("state", state), ("customer", customer), ("plan", plan)):
            if value is not None:
                query = query.where(columns[column] == value)
        if after is not None:
            query = query.where(columns.reference > after)
        with self._database.connected() as connection:
            rows = connection.execute(query.order_by(columns.reference).limit(limit)).all()
        return [_record(row) for row in rows]

    def counts(self) -> dict[str, int]:
        """Return how many subscriptions there are in each state."""
        columns = self._table.c
        query = select(columns.state, func.count()).where(columns.account == self._account)
        with self._database.connected() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(columns.state))}

    def due(self, now: datetime, *, after: Record | None = None, limit: int = 100) -> list[Record]:
        """Return subscriptions that are to be looked at by ``now``, the longest due first.

        :param after: The last one of the page before.
        """
        columns = self._table.c
        query = select(self._table).where(
            columns.account == self._account, columns.due_at <= _ms(now)
        )
        if after is not None and after.due_at is not None:
            passed = _ms(after.due_at)
            is_same = and_(columns.due_at == passed, columns.reference > after.reference)
            query = query.where(columns.due_at >= passed, or_(columns.due_at > passed, is_same))
        ordered = query.order_by(columns.due_at, columns.reference).limit(limit)
        with self._database.connected() as connection:
            return [_record(row) for row in connection.execute(ordered)]

    def next_due(self) -> datetime | None:
        """Return when a subscription is to be looked at next, or None."""
        columns = self._table.c
        query = select(func.min(columns.due_at)).where(
            columns.account == self._account, columns.due_at.is_not(None)
        )
        with self._database.connected() as connection:
            return _at(connection.scalar(query))

    def live_plans(self) -> dict[str, int]:
        """Return how many subscriptions that are not canceled each plan has."""
        columns = self._table.c
        query = select(columns.plan, func.count()).where(
            columns.account == self._account, columns.state != "canceled"
        )
        with self._database.connected() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(columns.plan))}

    def unpriced(self) -> int:
        """Return how many periods are due whose plan did not answer when it was asked."""
        columns = self._periods.c
        query = select(func.count()).where(
            columns.account == self._account,
            columns.state == "due",
            columns.amount.is_(None),
            columns.retry_at.is_not(None),
        )
        with self._database.connected() as connection:
            return int(connection.scalar(query) or 0)

    def expiring(self) -> int:
        """Return how many subscriptions are charged next after their saved card's last month."""
        columns, card = self._table.c, self._database.tables.saved_card.c
        is_it = and_(
            card.account == columns.account,
            card.customer == columns.customer,
            card.payment_method == columns.payment_method,
        )
        query = (
            select(columns.next_charge_at, card.exp_year, card.exp_month)
            .join_from(self._table, self._database.tables.saved_card, is_it)
            .where(columns.account == self._account, columns.next_charge_at.is_not(None))
        )
        with self._database.connected() as connection:
            rows = connection.execute(query)
            return sum(_is_after(row) for row in rows if row.exp_year and row.exp_month)

    def wake(self, reference: str, now: datetime) -> None:
        """Have the subscription looked at by the next run."""
        due_at = self._table.c.due_at
        is_later = and_(due_at.is_not(None), due_at > _ms(now))
        woken = update(self._table).where(self._is(reference), is_later).values(due_at=_ms(now))
        with self._database.transaction() as connection:
            connection.execute(woken)

    def period(
        self, reference: str, number: int, *, within: Connection | None = None
    ) -> PeriodRecord | None:
        """Return one period, or None."""
        found = self._choice(reference).where(self._periods.c.number == number)
        row = self._one(found, within)
        return None if row is None else _period(row)

    def periods(
        self, reference: str, *, before: int | None = None, limit: int = 100
    ) -> list[PeriodRecord]:
        """Return the periods of a subscription, newest first."""
        query = self._choice(reference).order_by(self._periods.c.number.desc()).limit(limit)
        if before is not None:
            query = query.where(self._periods.c.number < before)
        with self._database.connected() as connection:
            return [_period(row) for row in connection.execute(query)]

    def known_periods(self, reference: str) -> list[PeriodRecord]:
        """Return the open periods and the newest one, oldest first."""
        columns = self._periods.c
        newest = (
            select(func.max(columns.number))
            .where(columns.account == self._account, columns.reference == reference)
            .scalar_subquery()
        )
        query = self._choice(reference).where(
            or_(columns.state.in_(_OPEN), columns.number == newest)
        )
        with self._database.connected() as connection:
            return [_period(row) for row in connection.execute(query.order_by(columns.number))]

    def _choice(self, reference: str) -> Select[Any]:
        columns = self._periods.c
        return select(self._periods).where(
            columns.account == self._account, columns.reference == reference
        )

    def _one(self, query: Select[Any], within: Connection | None) -> Row[Any] | None:
        if within is not None:
            return within.execute(query).first()
        with self._database.connected() as connection:
            return connection.execute(query).first()

    def hold(self, reference: str, *, lease: float) -> Record | None:
        """Take a subscription for ``lease`` seconds; None while another holder has it."""
        columns = self._table.c
        is_free = or_(columns.held_until.is_(None), columns.held_until <= now_ms())
        taken = (
            update(self._table)
            .where(self._is(reference), is_free)
            .values(held_until=now_ms() + int(lease * 1000), fence=columns.fence + 1)
        )
        with self._database.transaction() as connection:
            if connection.execute(taken).rowcount != 1:
                return None
            row = connection.execute(select(self._table).where(self._is(reference))).one()
        return _record(row)

    def renew(self, record: Record, *, lease: float) -> bool:
        """Begin the hold's lease anew; False if it was lost."""
        until = now_ms() + int(lease * 1000)
        renewed = update(self._table).where(self._is_held(record)).values(held_until=until)
        with self._database.transaction() as connection:
            return connection.execute(renewed).rowcount == 1

    def release(self, record: Record) -> None:
        """Let others have the subscription."""
        released = update(self._table).where(self._is_held(record)).values(held_until=None)
        with self._database.transaction() as connection:
            connection.execute(released)

    def write(self, change: Change, writer: EventWriter) -> list[WrittenEvent | None]:
        """Write a change and its events in one commit, for the holder alone.

        :returns: The events, to be run after this.
        :raises HoldLostError: if the hold was lost; nothing was written.
        """
        record = change.record
        values = _row(record)
        del values["fence"]
        with self._database.transaction() as connection:
            written = update(self._table).where(self._is_held(record)).values(values)
            if connection.execute(written).rowcount != 1:
                raise HoldLostError
            for period in change.periods:
                self._write_period(connection, record.reference, period)
            return [writer.write(connection, record, event) for event in change.events]

    def _write_period(self, connection: Connection, reference: str, period: PeriodRecord) -> None:
        row = {"account": self._account, "reference": reference, **_period_row(period)}
        if self._insert_period(connection, row) is not None:
            return
        columns = self._periods.c
        is_it = and_(
            columns.account == self._account,
            columns.reference == reference,
            columns.number == period.number,
        )
        connection.execute(update(self._periods).where(is_it).values(_period_row(period)))

    def _is(self, reference: str) -> ColumnElement[bool]:
        columns = self._table.c
        return and_(columns.account == self._account, columns.reference == reference)

    def _is_held(self, record: Record) -> ColumnElement[bool]:
        return and_(self._is(record.reference), self._table.c.fence == record.fence)


def _is_after(row: Any) -> bool:
    charged = _at_exactly(row.next_charge_at)
    return (charged.year, charged.month) > (row.exp_year, row.exp_month)


def digest_of(given: Mapping[str, Any]) -> str:
    """Return the digest by which a second ``create`` is compared with the first."""
    return hashlib.sha256(json.dumps(given, sort_keys=True, default=str).encode()).hexdigest()


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _ms_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else _ms(moment)


def _at(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else _at_exactly(milliseconds)


def _at_exactly(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _row(record: Record) -> dict[str, Any]:
    return {
        "reference": record.reference,
        "plan": record.plan,
        "next_plan": record.next_plan,
        "customer": record.customer,
        "payment_method": record.payment_method,
        "details": json.dumps(dict(record.metadata)),
        "state": record.state,
        "anchor_at": _ms(record.schedule.anchor),
        "first_number": record.schedule.first,
        "every": str(record.schedule.every),
        "zone": record.schedule.zone.key,
        "currency": record.currency,
        "due_at": _ms_or_none(record.due_at),
        "next_charge_at": _ms_or_none(record.next_charge_at),
        "cancel_at": _ms_or_none(record.cancel_at),
        "created_at": _ms(record.created_at),
        "started_at": _ms_or_none(record.started_at),
        "canceled_at": _ms_or_none(record.canceled_at),
        "fence": record.fence,
    }


def _record(row: Row[Any]) -> Record:
    schedule = Schedule(
        anchor=_at_exactly(row.anchor_at),
        every=Interval.parse(row.every, name="every"),
        zone=ZoneInfo(row.zone),
        first=row.first_number,
    )
    return Record(
        reference=row.reference,
        plan=row.plan,
        next_plan=row.next_plan,
        customer=row.customer,
        payment_method=row.payment_method,
        metadata=json.loads(row.details),
        state=row.state,
        schedule=schedule,
        currency=row.currency,
        created_at=_at_exactly(row.created_at),
        started_at=_at(row.started_at),
        cancel_at=_at(row.cancel_at),
        canceled_at=_at(row.canceled_at),
        next_charge_at=_at(row.next_charge_at),
        due_at=_at(row.due_at),
        fence=row.fence,
    )


def _period_row(period: PeriodRecord) -> dict[str, Any]:
    details = {"description": period.description, "metadata": dict(period.metadata)}
    return {
        "number": period.number,
        "start_at": _ms(period.start),
        "end_at": _ms(period.end),
        "state": period.state,
        "amount": None if period.amount is None else period.amount.amount,
        "currency": None if period.amount is None else period.amount.currency,
        "details": json.dumps(details),
        "payment_id": period.payment_id,
        "attempts": period.attempts,
        "declines": period.declines,
        "reason": period.reason,
        "declined_at": _ms_or_none(period.declined_at),
        "retry_at": _ms_or_none(period.retry_at),
        "ends_at": _ms_or_none(period.ends_at),
        "needs_customer": period.needs_customer,
    }


def _period(row: Row[Any]) -> PeriodRecord:
    details = json.loads(row.details)
    return PeriodRecord(
        number=row.number,
        start=_at_exactly(row.start_at),
        end=_at_exactly(row.end_at),
        state=row.state,
        amount=None if row.amount is None else Money(row.amount, row.currency),
        description=details["description"],
        metadata=details["metadata"],
        payment_id=row.payment_id,
        attempts=row.attempts,
        declines=row.declines,
        reason=row.reason,
        declined_at=_at(row.declined_at),
        retry_at=_at(row.retry_at),
        ends_at=_at(row.ends_at),
        needs_customer=row.needs_customer,
    )
