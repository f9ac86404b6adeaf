"""Visits: one handler of an event is run by a person's decision, and its state stays as it is.

A visit is a lease like a claim's, in a column of its own: nobody else claims the event
or visits it, and if the process dies there is nothing to put back.
"""

from __future__ import annotations

from sqlalchemy import Update, bindparam, or_, update

from .claims import is_unvisited, reading, stored_in
from .clock import now_ms
from .database import Database
from .records import Claim, Stored
from .sealing import Seal


class Visits:
    """Begins, keeps and ends visits.

    :param lease: Seconds until others may have the event though the visit was not ended.
    """

    def __init__(self, database: Database, seal: Seal, *, lease: int) -> None:
        self._database = database
        self._seal = seal
        event = database.tables.event
        is_key = event.c.key == bindparam("event_key")
        is_free = or_(event.c.state != "processing", event.c.due_at <= now_ms())
        until = now_ms() + lease * 1000
        # The fence grows, so that whoever claims the event next looks into the ledger first.
        self._begin = (
            update(event)
            .where(is_key, is_free, is_unvisited(event))
            .values(fence=event.c.fence + 1, visited_until=until)
        )
        is_ours = event.c.fence == bindparam("held_fence")
        self._renew = update(event).where(is_key, is_ours).values(visited_until=until)
        self._end = update(event).where(is_key, is_ours).values(visited_until=None)
        self._read = reading(event).where(is_key)

    def begin(self, key: int) -> Stored | None:
        """Return the event; None while somebody has it, or if it was pruned."""
        with self._database.transaction() as connection:
            if connection.execute(self._begin, {"event_key": key}).rowcount != 1:
                return None
            row = connection.execute(self._read, {"event_key": key}).one()
        return stored_in(row, self._seal)

    def renew(self, visit: Claim) -> bool:
        """Begin the visit's lease anew; False if somebody else has the event."""
        return self._execute(self._renew, visit)

    def end(self, visit: Claim) -> None:
        """Let anybody have the event."""
        self._execute(self._end, visit)

    def _execute(self, statement: Update, visit: Claim) -> bool:
        held = {"event_key": visit.key, "held_fence": visit.fence}
        with self._database.single_write() as connection:
            return connection.execute(statement, held).rowcount == 1
