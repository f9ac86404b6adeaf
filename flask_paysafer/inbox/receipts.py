"""Receive events: each is stored once, and every later delivery of it is counted.

PostgreSQL does it in one statement, for there a trip to the server costs more than what
is done at its end. SQLite is asked first whether it knows the event: reading waits for
nobody, and a delivery that comes again need not write before it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    Connection,
    Insert,
    Select,
    bindparam,
    exists,
    insert,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql

from .clock import now_ms
from .database import Database
from .dialects import InsertAbsent, insert_absent
from .prepared import Prepared
from .records import State

Row = Mapping[str, Any]


class Known(NamedTuple):
    """What is known of an event that came in before."""

    key: int
    state: State
    digest: str
    """SHA-256 of the body as it first came."""


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

    def receive(self, row: Row) -> int | Known | None:
        """Store the event and return its key, or count the delivery and say what is known.

        A delivery whose body differs from the first one's is not counted yet.

        :returns: None if the event was pruned in between; nothing was stored.
        :raises InboxUnavailableError: if the database can't be used; nothing was stored.
        """
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

    def count(self, known: Known, verified_with: str | None) -> None:
        """Note one more delivery of the event, unless that would have to wait for its handler."""
        with self._database.connected() as connection:
            self._count(connection, known, verified_with)

    def _count(self, connection: Connection, known: Known, verified_with: str | None) -> None:
        if known.state == "processing" and self._database.has_one_writer:
            return
        row = {"event_key": known.key, "found": known.state, "verified_with": verified_with}
        with self._database.committing_relaxed(connection):
            self._note.change(connection, row)

    def _recognise(self, row: Row) -> Known | None:
        with self._database.connected() as connection:
            known = self._look_up(connection, row)
            return None if known is None else self._counted(connection, known, row)

    def _look_up(self, connection: Connection, row: Row) -> Known | None:
        found = self._find.first(connection, {"event_id": row["event_id"]})
        return None if found is None else Known._make(found)

    def _counted(self, connection: Connection, known: Known, row: Row) -> Known:
        """Count the delivery if the body is the one that is known."""
        if known.digest == row["digest"]:
            self._count(connection, known, row["verified_with"])
        return known

    def _receive_at_once(self, row: Row) -> int | Known | None:
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
            if column.name not in ("key", "visited_until", "finished_at")
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
            known.c.digest == bindparam("digest", type_=known.c.digest.type)
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
        return {"received_at": now_ms(), "due_at": now_ms() + bindparam("due_in")}
