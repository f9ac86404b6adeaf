"""Hold an event in whichever state it is, and put it back as it was."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, or_, select, update

from .claims import reading, stored_in, taken_by
from .clock import now_ms
from .database import Database
from .records import Held
from .sealing import Seal


class Holds:
    """Takes claims that leave no trace.

    :param lease: Seconds until another worker may take the event.
    """

    def __init__(self, database: Database, seal: Seal, *, lease: int) -> None:
        self._database = database
        self._seal = seal
        event = database.tables.event
        is_key = event.c.key == bindparam("event_key")
        is_same = event.c.fence == bindparam("known_fence")
        is_held = event.c.state == "processing"
        is_free = or_(~is_held, and_(is_held, event.c.due_at <= now_ms()))
        self._look = select(event.c.state, event.c.due_at, event.c.attempts, event.c.fence).where(
            is_key
        )
        self._take = (
            update(event).where(is_key, is_same, is_free).values(taken_by(event, lease * 1000))
        )
        self._read = reading(event).where(is_key)
        self._put_back = update(event).where(is_key, is_same, is_held)

    def take(self, key: int) -> Held | None:
        """Claim an event in whichever state it is; None while a worker has it."""
        with self._database.transaction() as connection:
            found = connection.execute(self._look, {"event_key": key}).one_or_none()
            if found is None:
                return None
            row = {"event_key": key, "known_fence": found.fence}
            if connection.execute(self._take, row).rowcount != 1:
                return None
            taken = connection.execute(self._read, {"event_key": key}).one()
        return Held(stored_in(taken, self._seal), found.state, found.due_at, found.attempts)

    def put_back(self, held: Held) -> None:
        """End a hold and leave the event as it was; what a dead worker had is due at once."""
        claim = held.stored.claim
        before = {
            "state": "pending" if held.state == "processing" else held.state,
            "due_at": held.due_at,
            "attempts": held.attempts,
        }
        with self._database.single_write() as connection:
            connection.execute(
                self._put_back.values(before),
                {"event_key": claim.key, "known_fence": claim.fence},
            )
