"""Claim what is due, many events at once.

A message from the broker is only a hint that there is work: whoever gets one claims
a batch. Rows that another worker is claiming at this moment are passed over, so
that workers never wait for each other.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, bindparam, select, update

from .claims import is_unvisited, reading, stored_in, taken_by
from .clock import now_ms
from .database import Database
from .records import Stored
from .sealing import Seal


class Batches:
    """Claims and finds due events of one account."""

    def __init__(self, database: Database, seal: Seal, *, account: str, lease: int) -> None:
        self._database = database
        self._seal = seal
        event = self._event = database.tables.event
        self._taken = taken_by(event, lease * 1000)
        self._stored = reading(event)
        due: Select[tuple[int]] = (
            select(event.c.key)
            .where(event.c.due_at <= now_ms(), event.c.account == account, is_unvisited(event))
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
