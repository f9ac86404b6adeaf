"""Claims: who may handle an event now, and until when.

A claim is one conditional update; its lease runs out by the database's clock. It
only keeps workers from doing the same work twice in vain. What must never
happen twice is kept by the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    ColumnElement,
    Connection,
    Insert,
    Row,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError, IntegrityError

from .database import Database, InsertAbsent, insert_absent, insert_or_overwrite, now_ms
from .encryption import Seal
from .records import Claim, Failure, State, Stored
from .statements import Prepared


def taken_by(event: Table, lease_ms: int) -> dict[str, Any]:
    """Return what an event's row is set to when it is claimed."""
    return {
        "state": "processing",
        "due_at": now_ms() + lease_ms,
        "stopped_at": None,
        "fence": event.c.fence + 1,
        "attempts": event.c.attempts + 1,
    }


def is_not_replayed(event: Table) -> ColumnElement[bool]:
    """Whether no operator has one handler of the event run at this moment."""
    return or_(event.c.replay_locked_until.is_(None), event.c.replay_locked_until <= now_ms())


def is_next_in_sequence(event: Table) -> ColumnElement[bool]:
    """Whether no earlier local event of the same object is still to be handled.

    Not part of a claim's own condition, for MySQL updates no table that the condition
    reads. It need not be: an object's events are stored one after the other, so what
    has become next stays next.
    """
    earlier = event.alias("earlier")
    is_waiting = exists().where(
        earlier.c.sequence == event.c.sequence,
        earlier.c.key < event.c.key,
        earlier.c.state.in_(("pending", "processing")),
    )
    return or_(event.c.sequence.is_(None), ~is_waiting)


def reading(event: Table) -> Select[Any]:
    """Return the query for what :func:`stored_in` needs."""
    columns = "key fence attempts account event_id sequence payload encrypted"
    return select(*[event.c[name] for name in columns.split()])


def stored_in(row: Any, seal: Seal) -> Stored:
    """Return the claimed event in a row."""
    payload = seal.try_open(row.payload, encrypted=row.encrypted)
    claim = Claim(row.key, row.fence, row.attempts)
    return Stored(claim, row.account, row.event_id, payload, local=row.sequence is not None)


class Claims:
    """Takes and keeps claims.

    :param lease: Seconds until another worker may take the event.
    """

    def __init__(self, database: Database, seal: Seal, *, lease: int) -> None:
        self._database = database
        self._seal = seal
        self.lease_ms = lease * 1000
        event = database.tables.event
        is_key = event.c.key == bindparam("event_key")
        is_there = and_(is_key, is_not_replayed(event))
        lapsed = and_(event.c.state == "processing", event.c.due_at <= now_ms())
        due = and_(event.c.state == "pending", event.c.due_at <= now_ms())
        taken = taken_by(event, self.lease_ms)
        asked_for = or_(event.c.state.in_(("pending", "failed", "ignored")), lapsed)
        self._is_free = select(event.c.key).where(is_there, asked_for)
        self._take = update(event).where(is_there, asked_for).values(taken)
        self._take_due = update(event).where(is_there, or_(due, lapsed)).values(taken)
        self._make_due = (
            update(event)
            .where(is_key, event.c.state.in_(("pending", "failed", "ignored")))
            .values(state="pending", due_at=now_ms(), stopped_at=None, attempts=0)
        )
        self._renew = (
            update(event)
            .where(is_key, event.c.fence == bindparam("held_fence"), event.c.state == "processing")
            .values(due_at=now_ms() + self.lease_ms)
        )
        self._read = reading(event).where(is_key)
        self._state = select(event.c.state).where(is_key)
        self._is_next = select(event.c.key).where(is_key, is_next_in_sequence(event))
        later = event.alias("later")
        self._next_in_sequence = select(func.min(later.c.key)).where(
            is_key,
            later.c.sequence == event.c.sequence,
            later.c.key > event.c.key,
            later.c.state == "pending",
            later.c.due_at <= now_ms(),
        )
        self._look = select(event.c.fence, event.c.attempts).where(is_key)

    def take(self, key: int) -> Claim | None:
        """Claim an event that was delivered again: whatever is neither held nor done."""
        if not self._can_be_taken(key):
            return None
        with self._database.transaction() as connection:
            if connection.execute(self._take, {"event_key": key}).rowcount != 1:
                return None
            fence, attempts = connection.execute(self._look, {"event_key": key}).one()
        return Claim(key, fence, attempts)

    def take_stored(self, key: int) -> Stored | None:
        """As :meth:`take`, with the event as it is stored."""
        claim = self.take(key)
        if claim is None:
            return None
        with self._database.connected() as connection:
            row = connection.execute(self._read, {"event_key": key}).one()
        return stored_in(row, self._seal)._replace(claim=claim)

    def _can_be_taken(self, key: int) -> bool:
        # Only reads: on SQLite a handler may hold the one right to write.
        with self._database.connected() as connection:
            return connection.scalar(self._is_free, {"event_key": key}) is not None

    def state_of(self, key: int) -> State | None:
        """Return the event's state now; None if it was pruned."""
        with self._database.connected() as connection:
            state: State | None = connection.scalar(self._state, {"event_key": key})
        return state

    def take_due(self, key: int) -> Stored | None:
        """Claim an event if it is due, and return it as it came in."""
        with self._database.transaction() as connection:
            if connection.execute(self._take_due, {"event_key": key}).rowcount != 1:
                return None
            row = connection.execute(self._read, {"event_key": key}).one()
        return stored_in(row, self._seal)

    def is_next_in_sequence(self, key: int) -> bool:
        """Whether no earlier local event of the same object is still to be handled."""
        with self._database.connected() as connection:
            return connection.scalar(self._is_next, {"event_key": key}) is not None

    def next_in_sequence(self, key: int) -> int | None:
        """Return the local event of the same object that is due after this one."""
        with self._database.connected() as connection:
            found: int | None = connection.scalar(self._next_in_sequence, {"event_key": key})
        return found

    def make_due(self, key: int) -> None:
        """Make an event due now that waits, is failed or was ignored, with all its attempts."""
        with self._database.single_write() as connection:
            connection.execute(self._make_due, {"event_key": key})

    def renew(self, claim: Claim) -> bool:
        """Begin the claim's lease anew; False if another worker has the event."""
        held = {"event_key": claim.key, "held_fence": claim.fence}
        with self._database.single_write() as connection:
            return connection.execute(self._renew, held).rowcount == 1


# Replay locks: one handler of an event is run by an operator, and its state stays as it is.
#
# A replay lock is a lease like a claim's, in a column of its own: nobody else claims or locks
# the event, and if the process dies there is nothing to put back. Its claim may overwrite the
# handler's execution row.


class ReplayLocks:
    """Takes, keeps and releases replay locks.

    :param lease: Seconds until others may have the event though the lock was not released.
    """

    def __init__(self, database: Database, seal: Seal, *, lease: int) -> None:
        self._database = database
        self._seal = seal
        event = database.tables.event
        is_key = event.c.key == bindparam("event_key")
        is_free = or_(event.c.state != "processing", event.c.due_at <= now_ms())
        until = now_ms() + lease * 1000
        # The fence grows, so that whoever claims the event next looks for executions first.
        self._take = (
            update(event)
            .where(is_key, is_free, event.c.state != "pruned", is_not_replayed(event))
            .values(fence=event.c.fence + 1, replay_locked_until=until)
        )
        is_ours = event.c.fence == bindparam("held_fence")
        self._renew = update(event).where(is_key, is_ours).values(replay_locked_until=until)
        self._release = update(event).where(is_key, is_ours).values(replay_locked_until=None)
        self._read = reading(event).where(is_key)

    def take(self, key: int) -> Stored | None:
        """Return the event; None while another worker has it, or if it was pruned."""
        with self._database.transaction() as connection:
            if connection.execute(self._take, {"event_key": key}).rowcount != 1:
                return None
            row = connection.execute(self._read, {"event_key": key}).one()
        stored = stored_in(row, self._seal)
        return stored._replace(claim=stored.claim._replace(is_replay_lock=True))

    def renew(self, lock: Claim) -> bool:
        """Begin the lock's lease anew; False if another worker has the event."""
        return self._execute(self._renew, lock)

    def release(self, lock: Claim) -> None:
        """Let anybody have the event."""
        self._execute(self._release, lock)

    def _execute(self, statement: Update, lock: Claim) -> bool:
        held = {"event_key": lock.key, "held_fence": lock.fence}
        with self._database.single_write() as connection:
            return connection.execute(statement, held).rowcount == 1


# Claim what is due, many events at once.
#
# A message from the broker is only a hint that there is work: whoever gets one claims
# a batch. Rows that another worker is claiming at this moment are passed over, so
# that workers never wait for each other.


class Batches:
    """Claims and finds due events of one account."""

    def __init__(self, database: Database, seal: Seal, *, account: str, lease: int) -> None:
        self._database = database
        self._seal = seal
        self._account = account
        event = self._event = database.tables.event
        self._taken = taken_by(event, lease * 1000)
        self._stored = reading(event)
        due: Select[tuple[int]] = (
            select(event.c.key)
            .where(event.c.due_at <= now_ms(), event.c.account == account, is_not_replayed(event))
            .where(is_next_in_sequence(event))
            .order_by(event.c.due_at)
            .limit(bindparam("at_most"))
        )
        self._waiting = due.where(event.c.state == "pending")
        self._lapsed = due.where(event.c.state == "processing")
        self._due = due.where(event.c.state.in_(("pending", "processing")))

    def due_keys(self, at_most: int) -> list[int]:
        """Return the keys of events that are due, the longest waiting first."""
        with self._database.connected() as connection:
            return list(connection.scalars(self._due, {"at_most": at_most}))

    def leases_ending(self, within: float) -> tuple[float, float] | None:
        """Return in how many seconds the first and the last lease end that end so soon.

        A worker that lives renews its leases long before they end.
        """
        event = self._event
        left = event.c.due_at - now_ms()
        ending = select(func.min(left), func.max(left)).where(
            event.c.account == self._account,
            event.c.due_at > now_ms(),
            event.c.due_at <= now_ms() + round(within * 1000),
            event.c.state == "processing",
        )
        with self._database.connected() as connection:
            first, last = connection.execute(ending).one()
        return None if first is None else (first / 1000, last / 1000)

    def take(self, at_most: int) -> list[Stored]:
        """Claim up to ``at_most`` events that wait, the longest waiting first."""
        return self._take(self._take_waiting, self._waiting, at_most)

    def take_lapsed(self) -> Stored | None:
        """Claim one event whose worker died at it, if there is one.

        Always alone: if it was this event that killed the worker, it kills the next
        one too, and must not use up the attempts of a batch around it.
        """
        taken = self._take(self._take_one_lapsed, self._lapsed, 1)
        return taken[0] if taken else None

    def _take(self, claim: Any, due: Select[tuple[int]], at_most: int) -> list[Stored]:
        if self._database.dialect in ("postgresql", "sqlite"):
            with self._database.single_write() as connection:
                rows = list(connection.execute(claim, {"at_most": at_most}))
        else:
            with self._database.transaction() as connection:
                rows = self._lock_and_claim(connection, due, at_most)
        found = [stored_in(row, self._seal) for row in rows]
        return sorted(found, key=lambda stored: stored.claim.key)

    def _lock_and_claim(
        self, connection: Connection, due: Select[tuple[int]], at_most: int
    ) -> list[Row[Any]]:
        locked = due.with_for_update(skip_locked=True)
        keys = list(connection.scalars(locked, {"at_most": at_most}))
        if not keys:
            return []
        connection.execute(self._take_locked, {"keys": keys})
        return list(connection.execute(self._read, {"keys": keys}))

    @cached_property
    def _take_waiting(self) -> Any:
        return self._claiming(self._waiting)

    @cached_property
    def _take_one_lapsed(self) -> Any:
        return self._claiming(self._lapsed)

    def _claiming(self, due: Select[tuple[int]]) -> Any:
        # As a common table expression it runs once: as a plain subquery the planner is free
        # to run it again and lock more rows.
        chosen = due.with_for_update(skip_locked=True).cte("due")
        event = self._event
        claim = update(event).where(event.c.key.in_(select(chosen.c.key)))
        return claim.values(self._taken).returning(*self._stored.selected_columns)

    @cached_property
    def _take_locked(self) -> Update:
        chosen = self._event.c.key.in_(bindparam("keys", expanding=True))
        return update(self._event).where(chosen).values(self._taken)

    @cached_property
    def _read(self) -> Select[Any]:
        chosen = self._event.c.key.in_(bindparam("keys", expanding=True))
        return self._stored.where(chosen)


# Receive events: each is stored once, and every later delivery of it is counted.
#
# PostgreSQL does it in one statement, for there a trip to the server costs more than what
# is done at its end. SQLite is asked first whether it knows the event: reading waits for
# nobody, and a delivery that comes again need not write before it is known.


_Values = Mapping[str, Any]


class Known(NamedTuple):
    """What is known of an event that came in before."""

    key: int
    state: State
    digest: str
    """SHA-256 of the body as it first came."""


_NOT_RECEIVED = frozenset({"key", "replay_locked_until", "finished_at", "sequence", "handled_as"})
"""The columns that a received event has no value for."""


class Receipts:
    """Stores one account's events, and finds those that are stored."""

    def __init__(self, database: Database, *, account: str) -> None:
        self._database = database
        self._account = account
        self._find = Prepared(self._known())

    @cached_property
    def insert(self) -> InsertAbsent:
        """Inserts an event in the caller's transaction unless its id is known."""
        return insert_absent(self._database.dialect, self._database.tables.event, self._times())

    def receive(self, row: _Values) -> int | Known | None:
        """Store the event and return its key, or count the delivery and say what is known.

        A delivery whose body differs from the first one's is not counted yet.

        :returns: None if the event was pruned in between; nothing was stored.
        :raises InboxUnavailableError: if the database can't be used; nothing was stored.
        """
        try:
            if self._database.dialect == "postgresql":
                return self._receive_at_once(row) or self._recognise(row)
            with self._database.connected() as connection:
                if self._database.dialect == "sqlite":
                    known = self._look_up(connection, row)
                    if known is not None:
                        return self._counted(connection, known, row)
                with self._database.committing(connection):
                    key: int | None = self.insert(connection, row)
            return key or self._recognise(row)
        except IntegrityError:  # it was deleted before its delivery could be counted
            return None

    def count(self, known: Known, verified_with: str | None) -> None:
        """Note one more delivery of the event, unless that would have to wait for its handler."""
        with self._database.connected() as connection:
            self._count(connection, known, verified_with)

    def _count(self, connection: Connection, known: Known, verified_with: str | None) -> None:
        if known.state == "processing" and self._database.has_one_writer:
            return
        if known.state == "pruned":
            return
        row = {"event_key": known.key, "found": known.state, "verified_with": verified_with}
        with self._database.committing_relaxed(connection):
            self._note.change(connection, row)

    def _recognise(self, row: _Values) -> Known | None:
        with self._database.connected() as connection:
            known = self._look_up(connection, row)
            return None if known is None else self._counted(connection, known, row)

    def _look_up(self, connection: Connection, row: _Values) -> Known | None:
        found = self._find.first(connection, {"event_id": row["event_id"]})
        return None if found is None else Known._make(found)

    def _counted(self, connection: Connection, known: Known, row: _Values) -> Known:
        """Count the delivery if the body is the one that is known."""
        if known.digest == row["digest"]:
            self._count(connection, known, row["verified_with"])
        return known

    def _receive_at_once(self, row: _Values) -> int | Known | None:
        """As :meth:`receive`; None too while another worker is storing the same event."""
        with self._database.single_write() as connection:
            found = self._at_once.first(connection, row)
        if found is None:
            return None
        key, state, digest = found
        return int(key) if state is None else Known(key, state, digest)

    @cached_property
    def _note(self) -> Prepared:
        note = insert(self._database.tables.delivery).values(delivered_at=now_ms())
        return Prepared(self._database.relaxed(note))

    @cached_property
    def _at_once(self) -> Prepared:
        event = self._database.tables.event
        given = {
            column.name: bindparam(column.name, type_=column.type)
            for column in event.c
            if column.key not in _NOT_RECEIVED
        }
        entering = postgresql.insert(event).values({**given, **self._times()})
        entered = entering.on_conflict_do_nothing().returning(event.c.key).cte("entered")
        known = self._known().where(~exists(select(entered.c.key))).cte("known")
        noted = self._database.relaxed(self._noting(known)).cte("noted")
        new = select(entered.c.key, null().label("state"), null().label("digest"))
        return Prepared(union_all(new, select(*known.c)).add_cte(noted))

    def _noting(self, known: CTE) -> Insert:
        delivery = self._database.tables.delivery
        verified_with = bindparam("verified_with", type_=delivery.c.verified_with.type)
        deliveries = select(known.c.key, known.c.state, now_ms(), verified_with).where(
            known.c.digest == bindparam("digest", type_=known.c.digest.type),
            known.c.state != "pruned",
        )
        columns = ["event_key", "found", "delivered_at", "verified_with"]
        return insert(delivery).from_select(columns, deliveries)

    def _known(self) -> Select[Any]:
        event = self._database.tables.event
        is_it = event.c.event_id == bindparam("event_id", type_=event.c.event_id.type)
        return select(event.c.key, event.c.state, event.c.digest).where(
            event.c.account == self._account, is_it
        )

    @staticmethod
    def _times() -> dict[str, Any]:
        return {
            "received_at": now_ms(),
            "due_at": now_ms() + bindparam("due_in"),
            "stopped_at": now_ms() + bindparam("stopped_in"),
        }


# The ledger: a row means that this handler is done with this event.
#
# Its primary key is the safety: whoever comes second inserts nothing. The functions
# that take a connection work inside the caller's transaction, so that a handler's
# writes and its ledger row are committed together.


_ERROR_LENGTH = 8000


class Ledger:
    """Reads and writes what handlers have done, and closes events."""

    def __init__(self, database: Database) -> None:
        self._database = database
        tables = database.tables
        run, event = tables.handler_run, tables.event
        self._done = select(run.c.handler).where(run.c.event_key == bindparam("event_key"))
        self._writer = select(run.c.fence).where(
            run.c.event_key == bindparam("event_key"), run.c.handler == bindparam("handler")
        )
        self._skip = (
            update(run)
            .where(run.c.event_key == bindparam("of_event"))
            .where(run.c.handler == bindparam("of_handler"))
            .values(skipped=bindparam("why"))
        )
        held = (
            (event.c.key == bindparam("event_key"))
            & (event.c.fence == bindparam("held_fence"))
            & (event.c.state == "processing")
        )
        self._closing = (
            update(event).where(held).values(state="done", due_at=None, finished_at=now_ms())
        )
        self._finish = Prepared(self._closing)
        is_idle = event.c.state.in_(("pending", "failed"))
        self._close_idle = (
            update(event)
            .where(event.c.key == bindparam("event_key"), event.c.fence == bindparam("held_fence"))
            .where(is_idle)
            .values(state="done", due_at=None, stopped_at=None, finished_at=now_ms())
        )
        self._fail = (
            update(event)
            .where(held)
            .values(state="failed", due_at=None, stopped_at=now_ms(), finished_at=now_ms())
        )
        self._postpone = (
            update(event)
            .where(held)
            .values(state="pending", due_at=now_ms() + bindparam("wait_ms"))
        )
        self._ignore = (
            update(event).where(held).values(state="ignored", due_at=None, note=bindparam("why"))
        )
        self._take_back = self._postpone.values(attempts=event.c.attempts - 1)
        self._note_failure = insert(tables.failure).values(failed_at=now_ms())

    @cached_property
    def _insert(self) -> InsertAbsent:
        table = self._database.tables.handler_run
        return insert_absent(self._database.dialect, table, {"done_at": now_ms()})

    def done_handlers(self, key: int) -> set[str]:
        """Return the names of the handlers that are done with the event."""
        with self._database.connected() as connection:
            return set(connection.scalars(self._done, {"event_key": key}))

    def enter(
        self, connection: Connection, claim: Claim, handler: str, *, skipped: str | None = None
    ) -> bool:
        """Write the handler's execution row; False if there is one.

        Under a replay lock the row of the earlier execution is overwritten, in the transaction
        of the handler's own writes: until then, and if the handler fails, it stays.

        On PostgreSQL and MariaDB this waits for another transaction that is
        writing the same row, and so for the handler that runs in it.
        """
        row = _run_row(claim, handler, skipped)
        if claim.is_replay_lock:
            connection.execute(self._overwrite, row)
            return True
        return self._insert(connection, row) is not None

    @cached_property
    def _overwrite(self) -> Insert:
        table = self._database.tables.handler_run
        return insert_or_overwrite(self._database.dialect, table, {"done_at": now_ms()})

    def is_ours(self, connection: Connection, claim: Claim, handler: str) -> bool:
        """Whether the handler's row was written under this very claim."""
        row = {"event_key": claim.key, "handler": handler}
        return bool(connection.scalar(self._writer, row) == claim.fence)

    def mark_skipped(self, connection: Connection, claim: Claim, handler: str, why: str) -> None:
        """Say in the handler's row that the event was left out, and why."""
        row = {"of_event": claim.key, "of_handler": handler, "why": why}
        connection.execute(self._skip, row)

    def close(self, connection: Connection, claim: Claim) -> bool:
        """Mark the event done; False if the claim was lost to another worker."""
        return self._finish.change(connection, _held(claim)) == 1

    def note_done(
        self,
        claim: Claim,
        handler: str | None,
        *,
        closes: bool,
        skipped: str | None = None,
        beside: Callable[[Connection], None] | None = None,
    ) -> bool:
        """Write the handler's row in a transaction of its own, closing the event if asked.

        :param beside: Writes something more in the same transaction.
        :returns: False if the row stood already or the claim was lost.
        """
        is_all = handler is not None and closes and beside is None
        if handler is not None and is_all and self._database.dialect == "postgresql":
            return self._enter_and_close(claim, handler, skipped)
        with self._database.transaction() as connection:
            entered = handler is None or self.enter(connection, claim, handler, skipped=skipped)
            if beside is not None:
                beside(connection)
            held = self.close(connection, claim) if closes else True
        return entered and held

    def _enter_and_close(self, claim: Claim, handler: str, skipped: str | None) -> bool:
        """Do both in one statement: one trip to the server where a transaction takes four."""
        row = {
            **_held(claim),
            "of_handler": handler,
            "of_attempt": claim.attempt,
            "why": skipped,
        }
        with self._database.single_write() as connection:
            return bool(self._both.first(connection, row)[0])

    @cached_property
    def _both(self) -> Prepared:
        run, event = self._database.tables.handler_run, self._database.tables.event
        # No parameter may be called like a column of the event: it would be set to it.
        given = {
            "event_key": bindparam("event_key", type_=run.c.event_key.type),
            "handler": bindparam("of_handler", type_=run.c.handler.type),
            "fence": bindparam("held_fence", type_=run.c.fence.type),
            "attempt": bindparam("of_attempt", type_=run.c.attempt.type),
            "skipped": bindparam("why", type_=run.c.skipped.type),
            "done_at": now_ms(),
        }
        entering = postgresql.insert(run).values(given).on_conflict_do_nothing()
        entered = entering.returning(run.c.event_key).cte("entered")
        closed = self._closing.returning(event.c.key).cte("closed")
        return Prepared(select(exists(entered.select()) & exists(closed.select())))

    def ignore(self, claim: Claim, why: str) -> None:
        """Let nothing be done about the event, for nobody wants it; it can be replayed."""
        with self._database.single_write() as connection:
            connection.execute(self._ignore, {**_held(claim), "why": why})

    def close_idle(self, claim: Claim) -> bool:
        """Mark an event done that waits or has failed, and that nobody has claimed since."""
        with self._database.single_write() as connection:
            return connection.execute(self._close_idle, _held(claim)).rowcount == 1

    def note_failures(
        self, claim: Claim, failures: Iterable[Failure], *, retry_in: float | None
    ) -> bool:
        """Store what failed; the event waits ``retry_in`` seconds, or is ``failed``.

        :returns: False if the claim was lost to another worker.
        """
        with self._database.transaction() as connection:
            if retry_in is None:
                result = connection.execute(self._fail, _held(claim))
            else:
                waits = {**_held(claim), "wait_ms": round(retry_in * 1000)}
                result = connection.execute(self._postpone, waits)
            self._add_failures(connection, claim, failures)
        return result.rowcount == 1

    def add_failures(self, claim: Claim, failures: Iterable[Failure]) -> None:
        """Store what failed, and leave the event's state as it is."""
        with self._database.transaction() as connection:
            self._add_failures(connection, claim, failures)

    def _add_failures(
        self, connection: Connection, claim: Claim, failures: Iterable[Failure]
    ) -> None:
        for failure in failures:
            row = _failure_row(claim, failure)
            if row["error"].isascii():
                connection.execute(self._note_failure, row)
            else:
                self._add_failure_in_words(connection, row)

    def _add_failure_in_words(self, connection: Connection, row: dict[str, Any]) -> None:
        """Store a text in letters that the database or its connection may not know."""
        try:
            with connection.begin_nested():
                connection.execute(self._note_failure, row)
        except (DBAPIError, UnicodeError) as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise
            in_ascii = row["error"].encode("ascii", "backslashreplace").decode()
            connection.execute(self._note_failure, {**row, "error": in_ascii})

    def release(self, claim: Claim, *, wait: float = 0, spent: bool = True) -> None:
        """Give the event back, to be claimed by anybody after ``wait`` seconds.

        :param spent: Whether this counts as one of the event's attempts.
        """
        row = {**_held(claim), "wait_ms": round(wait * 1000)}
        with self._database.single_write() as connection:
            connection.execute(self._postpone if spent else self._take_back, row)


def _run_row(claim: Claim, handler: str, skipped: str | None) -> dict[str, object]:
    return {
        "event_key": claim.key,
        "handler": handler,
        "fence": claim.fence,
        "attempt": claim.attempt,
        "skipped": skipped,
    }


def _held(claim: Claim) -> dict[str, int]:
    return {"event_key": claim.key, "held_fence": claim.fence}


def _failure_row(claim: Claim, failure: Failure) -> dict[str, Any]:
    # No database takes a lone surrogate, and PostgreSQL takes no NUL.
    error = failure.error[:_ERROR_LENGTH].encode("utf-8", "backslashreplace").decode()
    return {
        "event_key": claim.key,
        "handler": failure.handler,
        "attempt": claim.attempt,
        "error": error.replace("\x00", "\\x00"),
    }
