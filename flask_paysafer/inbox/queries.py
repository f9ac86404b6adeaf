"""Tell in short what failed of many events: how often, and the last of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    and_,
    case,
    exists,
    func,
    or_,
    select,
)

from .database import Database, now_ms
from .encryption import Seal
from .records import DUE, STATES, STOPPED, State, is_settled
from .tables import Tables

_AT_ONCE = 500
_LONGEST = 500
"""How many characters of an error are read, for its first line."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed of one event."""

    failures: int
    """How many runs of handlers failed, through all attempts and replays."""
    handler: str
    """The one that failed last; of those that are still not done, if there are any."""
    error: str
    """The first line of what it said."""


def troubles_of(
    connection: Connection, tables: Tables, keys: Sequence[int], *, handler: str | None = None
) -> dict[int, Trouble]:
    """Return what failed, by the event's key, of those of which anything did.

    :param handler: Look at this handler's failures alone.
    """
    found: dict[int, Trouble] = {}
    for start in range(0, len(keys), _AT_ONCE):
        query = _query(tables, keys[start : start + _AT_ONCE], handler)
        for key, count, name, error in connection.execute(query):
            found[key] = Trouble(count, name, error.partition("\n")[0])
    return found


def _query(tables: Tables, keys: Sequence[int], handler: str | None) -> Select[Any]:
    failure, run = tables.failure, tables.handler_run
    wanted: list[ColumnElement[bool]] = [failure.c.event_key.in_(keys)]
    if handler is not None:
        wanted.append(failure.c.handler == handler)
    is_its = and_(run.c.event_key == failure.c.event_key, run.c.handler == failure.c.handler)
    # A failure that is overcome since then is news only where no other is left.
    open_one = func.max(case((run.c.handler.is_(None), failure.c.key)))
    last = (
        select(
            func.count().label("failures"),
            func.coalesce(open_one, func.max(failure.c.key)).label("key"),
        )
        .select_from(failure.outerjoin(run, is_its))
        .where(*wanted)
        .group_by(failure.c.event_key)
        .subquery()
    )
    said = func.substr(failure.c.error, 1, _LONGEST)
    columns = (failure.c.event_key, last.c.failures, failure.c.handler, said)
    return select(*columns).join_from(last, failure, failure.c.key == last.c.key)


# Which events a person asks for.


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Everything is asked for unless a field narrows it."""

    states: Sequence[State] = ()
    types: Sequence[str] = ()
    """Exact types, or families such as ``payment.*``."""
    object_id: str | None = None
    since: int | None = None
    """Received at or after this moment, in UTC milliseconds."""
    with_pruned: bool = False
    """Whether events that were emptied are among them, where no states are named."""
    until: int | None = None
    """Received before this moment, in UTC milliseconds."""

    @property
    def is_of_unfinished(self) -> bool:
        """Whether the index of unfinished events holds all that is asked for."""
        return bool(self.states) and set(self.states) <= {*DUE, *STOPPED}

    def conditions(self, event: Table) -> list[ColumnElement[bool]]:
        """Return the filter in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.states:
            found.append(event.c.state.in_(self.states))
        elif not self.with_pruned:
            found.append(event.c.state != "pruned")
        if self.is_of_unfinished:
            found.append(_is_indexed(event, self.states))
        if self.types:
            found.append(or_(*(_is_type(event, wanted) for wanted in self.types)))
        if self.object_id is not None:
            found.append(event.c.object_id == self.object_id)
        if self.since is not None:
            found.append(event.c.received_at >= self.since)
        if self.until is not None:
            found.append(event.c.received_at < self.until)
        return found


ALL = EventFilter()
"""Every event."""


def _is_indexed(event: Table, states: Sequence[State]) -> ColumnElement[bool]:
    """Say what is true of these states' times, so that their indices find the rows."""
    indexed = [
        column.is_not(None)
        for column, its_states in ((event.c.due_at, DUE), (event.c.stopped_at, STOPPED))
        if set(states) & set(its_states)
    ]
    return or_(*indexed)


def _is_type(event: Table, wanted: str) -> ColumnElement[bool]:
    if wanted.endswith("*"):
        return event.c.type.startswith(wanted[:-1], autoescape=True)
    return event.c.type == wanted


# Look at what the inbox holds: lists, one event with all that happened to it, figures.


PAGE = 500
"""How many rows are read at a time where all of them are walked."""

_SLACK_MS = 600_000
"""How far the order of keys and the order of arrival may differ: a transaction's length."""


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event without its payload. Times are UTC milliseconds."""

    key: int
    event_id: str
    type: str
    state: State
    object_id: str | None
    created: int
    received_at: int
    finished_at: int | None
    due_at: int | None
    attempts: int
    note: str | None
    verified_with: str | None
    encrypted: bool
    handled_as: str | None
    """The id of the reconciliation event that was handled in the place of this one."""


def note_of(row: EventRow, trouble: Trouble | None) -> str:
    """Return what is noted of the event, and why it is not done if a handler failed."""
    notes = [row.note] if row.note else []
    if row.handled_as is not None:
        notes.append(f"handled as {row.handled_as}")
    if trouble is not None and not is_settled(row.state):
        notes.append(f"{trouble.handler}: {trouble.error:.100}")
    return "; ".join(notes)


@dataclass(frozen=True, slots=True)
class EventStory:
    """One event and all that happened to it."""

    event: EventRow
    payload: bytes | None
    """None where no key that is set can decrypt it."""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, with the payload as text."""
        text = None if self.payload is None else self.payload.decode(errors="replace")
        return {
            **asdict(self.event),
            "payload": text,
            "deliveries": self.deliveries,
            "runs": self.runs,
            "failures": self.failures,
        }


class Bucket(NamedTuple):
    """How many events came in during one span of time, by the state they are in now."""

    begins_at: int
    counts: dict[State, int]


class Browser:
    """Reads one account's events."""

    def __init__(self, database: Database, seal: Seal, *, account: str) -> None:
        self._database = database
        self._seal = seal
        self._tables = database.tables
        event = database.tables.event
        self._is_mine = event.c.account == account
        # Walking by key is the way through nearly all of the rows; a plain comparison would
        # lead SQLite to the index of the ids, and to sorting all that it finds there.
        self._is_mine_on_the_way = func.coalesce(event.c.account, "") == account
        self._columns = [event.c[name] for name in EventRow.__slots__]

    def find(
        self, wanted: EventFilter, *, limit: int = 50, before: int | None = None
    ) -> list[EventRow]:
        """Return the newest events that are asked for.

        :param before: Only events with a smaller key: the last one's, for the next page.
        """
        event = self._tables.event
        with self._database.connected() as connection:
            conditions = self._conditions(connection, wanted)
            if before is not None:
                conditions.append(event.c.key < before)
            query = select(*self._columns).where(*conditions).order_by(event.c.key.desc())
            return [EventRow(*row) for row in connection.execute(query.limit(limit))]

    def walk(self, wanted: EventFilter) -> Iterator[EventRow]:
        """Yield every event that is asked for, newest first, in constant memory."""
        page = self.find(wanted, limit=PAGE)
        while page:
            yield from page
            page = self.find(wanted, limit=PAGE, before=page[-1].key)

    def troubles(
        self, rows: Sequence[EventRow], *, handler: str | None = None
    ) -> dict[int, Trouble]:
        """Return what failed of these events, by key, in one query for each page of them."""
        keys = [row.key for row in rows]
        with self._database.connected() as connection:
            return troubles_of(connection, self._tables, keys, handler=handler)

    def count(self, wanted: EventFilter) -> int:
        """Return how many events are asked for."""
        query = select(func.count()).select_from(self._tables.event)
        with self._database.connected() as connection:
            conditions = self._conditions(connection, wanted)
            return connection.execute(query.where(*conditions)).scalar_one()

    def _conditions(self, connection: Connection, wanted: EventFilter) -> list[ColumnElement[bool]]:
        event = self._tables.event
        mine = self._is_mine if wanted.is_of_unfinished else self._is_mine_on_the_way
        conditions = [mine, *wanted.conditions(event)]
        if wanted.since is not None:
            first = self.first_key_since(connection, wanted.since - _SLACK_MS)
            conditions.append(event.c.key >= first)
        if wanted.until is not None:
            end = self.first_key_since(connection, wanted.until + _SLACK_MS)
            conditions.append(event.c.key <= end)
        return conditions

    def first_key_since(self, connection: Connection, moment: int) -> int:
        """Return the key where events received since ``moment`` begin, found by halving.

        Keys grow with time, so that no index on the time is needed, which every
        insert would pay for.
        """
        event = self._tables.event
        # Two questions: SQLite answers either at once, but both together by reading all.
        least = select(func.min(event.c.key)).scalar_subquery()
        most = select(func.max(event.c.key)).scalar_subquery()
        bounds = select(least, most)
        low, high = connection.execute(bounds).one()
        if low is None:
            return 0
        while low < high:
            middle = (low + high) // 2
            next_one = select(event.c.key, event.c.received_at).where(event.c.key >= middle)
            key, received_at = connection.execute(next_one.order_by(event.c.key).limit(1)).one()
            if received_at < moment:
                low = key + 1
            else:
                high = middle
        return int(low)

    def story(self, event_id: str) -> EventStory | None:
        """Return one event, by its id, and all that happened to it."""
        return self._story(self._tables.event.c.event_id == event_id)

    def story_of(self, key: int) -> EventStory | None:
        """Return one event, by its row's key, and all that happened to it."""
        return self._story(self._tables.event.c.key == key)

    def _story(self, is_it: ColumnElement[bool]) -> EventStory | None:
        event = self._tables.event
        query = select(*self._columns, event.c.payload).where(self._is_mine, is_it)
        with self._database.connected() as connection:
            found = connection.execute(query).one_or_none()
            if found is None:
                return None
            *values, payload = found
            row = EventRow(*values)
            return EventStory(
                row,
                self._seal.try_open(payload, encrypted=row.encrypted),
                deliveries=self._rows(connection, "delivery", row.key),
                runs=self._rows(connection, "handler_run", row.key),
                failures=self._rows(connection, "failure", row.key),
            )

    def _rows(self, connection: Connection, name: str, key: int) -> list[dict[str, Any]]:
        table = getattr(self._tables, name)
        when = {"delivery": "delivered_at", "handler_run": "done_at", "failure": "failed_at"}[name]
        query = table.select().where(table.c.event_key == key).order_by(table.c[when])
        return [_plain(row) for row in connection.execute(query)]

    def counts(self, wanted: EventFilter = ALL) -> dict[State, int]:
        """Return how many of the events that are asked for are in each state."""
        event = self._tables.event
        query = select(event.c.state, func.count()).group_by(event.c.state)
        with self._database.connected() as connection:
            conditions = self._conditions(connection, replace(wanted, with_pruned=True))
            found = {row[0]: row[1] for row in connection.execute(query.where(*conditions))}
        return {state: found.get(state, 0) for state in STATES}

    def with_failures(self, wanted: EventFilter = ALL) -> int:
        """Return how many events are not done though a handler of theirs was tried and failed.

        They are failed, or wait for their next attempt.
        """
        event, failure = self._tables.event, self._tables.failure
        has_failed = exists().where(failure.c.event_key == event.c.key)
        query = select(func.count()).select_from(event).where(has_failed)
        found = 0
        with self._database.connected() as connection:
            # One after the other, so that each is found through its index.
            for states in (DUE, ("failed",)):
                asked_for = [state for state in states if state in (wanted.states or states)]
                if asked_for:
                    unfinished = replace(wanted, states=asked_for)
                    conditions = self._conditions(connection, unfinished)
                    found += connection.execute(query.where(*conditions)).scalar_one()
        return found

    def oldest_due(self, wanted: EventFilter = ALL) -> float | None:
        """Return for how many seconds the longest waiting event has been due; None if none is."""
        event = self._tables.event
        query = select(now_ms() - func.min(event.c.due_at)).where(
            self._is_mine,
            event.c.state.in_(("pending", "processing")),
            event.c.due_at <= now_ms(),
            *wanted.conditions(event),
        )
        with self._database.connected() as connection:
            waited = connection.scalar(query)
        return None if waited is None else waited / 1000

    def now(self) -> int:
        """Return the database's time in UTC milliseconds."""
        with self._database.connected() as connection:
            return connection.execute(select(now_ms())).scalar_one()

    def timeline(self, *, since: int, until: int, buckets: int) -> list[Bucket]:
        """Count the events received between two moments, in equal spans of time."""
        span = max(1, -(-(until - since) // buckets))
        event = self._tables.event
        # Integer division differs between the databases; what is left after % does not.
        offset = event.c.received_at - since
        begins = (event.c.received_at - offset % span).label("begins")
        with self._database.connected() as connection:
            conditions = self._conditions(
                connection, EventFilter(since=since, until=until, with_pruned=True)
            )
            query = (
                select(begins, event.c.state, func.count())
                .where(*conditions)
                .group_by(begins, event.c.state)
            )
            rows = connection.execute(query).all()
        return _fill(rows, since=since, span=span, buckets=buckets)


def _fill(rows: Any, *, since: int, span: int, buckets: int) -> list[Bucket]:
    filled = [Bucket(since + number * span, {}) for number in range(buckets)]
    for begins_at, state, count in rows:
        filled[(begins_at - since) // span].counts[state] = count
    return filled


def _plain(row: Row[Any]) -> dict[str, Any]:
    hidden = {"key", "event_key", "fence"}
    return {name: value for name, value in row._mapping.items() if name not in hidden}
