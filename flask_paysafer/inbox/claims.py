"""Claims: who may handle an event now, and until when.

A claim is one conditional update; its lease runs out by the database's clock. It
only keeps workers from doing the same work twice in vain. What must never
happen twice is kept by the ledger.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, bindparam, or_, select, update

from .clock import now_ms
from .database import Database
from .records import Claim, State, Stored
from .sealing import Seal


def taken_by(event: Table, lease_ms: int) -> dict[str, Any]:
    """Return what an event's row is set to when it is claimed."""
    return {
        "state": "processing",
        "due_at": now_ms() + lease_ms,
        "fence": event.c.fence + 1,
        "attempts": event.c.attempts + 1,
    }


def is_unvisited(event: Table) -> ColumnElement[bool]:
    """Whether nobody is running one handler of the event by a person's decision."""
    return or_(event.c.visited_until.is_(None), event.c.visited_until <= now_ms())


def reading(event: Table) -> Select[Any]:
    """Return the query for what :func:`stored_in` needs."""
    columns = ("key", "fence", "attempts", "account", "event_id", "payload", "encrypted")
    return select(*[event.c[name] for name in columns])


def stored_in(row: Any, seal: Seal) -> Stored:
    """Return the claimed event in a row."""
    payload = seal.try_open(row.payload, encrypted=row.encrypted)
    claim = Claim(row.key, row.fence, row.attempts)
    return Stored(claim, row.account, row.event_id, payload)


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
        is_there = and_(is_key, is_unvisited(event))
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
            .values(state="pending", due_at=now_ms(), attempts=0)
        )
        self._renew = (
            update(event)
            .where(is_key, event.c.fence == bindparam("held_fence"), event.c.state == "processing")
            .values(due_at=now_ms() + self.lease_ms)
        )
        self._read = reading(event).where(is_key)
        self._state = select(event.c.state).where(is_key)
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

    def make_due(self, key: int) -> None:
        """Make an event due now that waits, is failed or was ignored, with all its attempts."""
        with self._database.single_write() as connection:
            connection.execute(self._make_due, {"event_key": key})

    def renew(self, claim: Claim) -> bool:
        """Begin the claim's lease anew; False if another worker has the event."""
        held = {"event_key": claim.key, "held_fence": claim.fence}
        with self._database.single_write() as connection:
            return connection.execute(self._renew, held).rowcount == 1
