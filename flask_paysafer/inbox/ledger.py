"""The ledger: a row means that this handler is done with this event.

Its primary key is the safety: whoever comes second inserts nothing. The functions
that take a connection work inside the caller's transaction, so that a handler's
writes and its ledger row are committed together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from sqlalchemy import Connection, Insert, bindparam, exists, insert, select, update
from sqlalchemy.dialects import postgresql

from .clock import now_ms
from .database import Database
from .dialects import InsertAbsent, insert_absent, insert_or_overwrite
from .prepared import Prepared
from .records import Claim, Failure
from .schema import NEVER

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
            .values(state="done", due_at=None, finished_at=now_ms())
        )
        self._fail = (
            update(event).where(held).values(state="failed", due_at=NEVER, finished_at=now_ms())
        )
        self._postpone = (
            update(event)
            .where(held)
            .values(state="pending", due_at=now_ms() + bindparam("wait_ms"))
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
        """Write the handler's row; False if it stands already.

        On PostgreSQL and MariaDB this waits for another transaction that is
        writing the same row, and so for the handler that runs in it.
        """
        return self._insert(connection, _run_row(claim, handler, skipped)) is not None

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
            connection.execute(self._note_failure, _failure_row(claim, failure))

    def release(self, claim: Claim, *, wait: float = 0, spent: bool = True) -> None:
        """Give the event back, to be claimed by anybody after ``wait`` seconds.

        :param spent: Whether this counts as one of the event's attempts.
        """
        row = {**_held(claim), "wait_ms": round(wait * 1000)}
        with self._database.single_write() as connection:
            connection.execute(self._postpone if spent else self._take_back, row)


class RewritingLedger(Ledger):
    """Overwrites a handler's row where it stands, for a replay that a person asked for.

    It is done in the transaction of the handler's own writes: until then, and if the
    handler fails, the old row stands.
    """

    @cached_property
    def _overwrite(self) -> Insert:
        table = self._database.tables.handler_run
        return insert_or_overwrite(self._database.dialect, table, {"done_at": now_ms()})

    def enter(
        self, connection: Connection, claim: Claim, handler: str, *, skipped: str | None = None
    ) -> bool:
        """Write the handler's row, in the place of the one that may be there."""
        connection.execute(self._overwrite, _run_row(claim, handler, skipped))
        return True


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


def _failure_row(claim: Claim, failure: Failure) -> dict[str, object]:
    return {
        "event_key": claim.key,
        "handler": failure.handler,
        "attempt": claim.attempt,
        "error": failure.error[:_ERROR_LENGTH],
    }
