"""Remember the newest event handled for each object, for handlers with ``stale="skip"``.

Two events of one object may be handled at the same time by two workers. The
object's row lets one in at a time: inside the merchant's transaction by a row lock,
elsewhere by a lease. The mark rises only when the handler is done.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, or_, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from .database import Database, now_ms
from .records import Mark

_NOTHING_YET = -1


class Watermarks:
    """Reads and raises the marks of one account."""

    def __init__(self, database: Database, *, account: str, lease: int) -> None:
        self._database = database
        self._account = account
        mark = self._mark = database.tables.watermark
        here: ColumnElement[bool] = and_(
            mark.c.account == account,
            mark.c.handler == bindparam("of_handler"),
            mark.c.object_id == bindparam("of_object"),
        )
        is_mine = mark.c.held_by == bindparam("of_event")
        newest = case(
            (mark.c.created < bindparam("of_created"), bindparam("of_created")),
            else_=mark.c.created,
        )
        self._read = select(mark.c.created).where(here)
        self._lock = self._read.with_for_update()
        self._raise = update(mark).where(here).values(created=newest, held_by=None)
        self._hold = (
            update(mark)
            .where(
                here,
                mark.c.created <= bindparam("of_created"),
                or_(mark.c.held_by.is_(None), mark.c.held_until <= now_ms(), is_mine),
            )
            .values(held_by=bindparam("of_event"), held_until=now_ms() + lease * 1000)
        )
        self._renew = update(mark).where(here, is_mine).values(held_until=now_ms() + lease * 1000)
        self._let_go = update(mark).where(here, is_mine).values(held_by=None)

    @cached_property
    def _ensure(self) -> Any:
        dialect, mark = self._database.dialect, self._mark
        if dialect in ("mysql", "mariadb"):
            # A refused INSERT would leave a shared lock, and two of those a deadlock.
            insert = mysql.insert(mark)
            return insert.on_duplicate_key_update(handler=insert.inserted.handler)
        insert_of: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]
        return insert_of(mark).on_conflict_do_nothing()

    def _make_row(self, connection: Connection, mark: Mark) -> None:
        row = {
            "account": self._account,
            "handler": mark.handler,
            "object_id": mark.object_id,
            "created": _NOTHING_YET,
        }
        connection.execute(self._ensure, row)

    def is_stale(self, connection: Connection, mark: Mark) -> bool:
        """Whether a newer event was handled; locks the mark until the transaction ends."""
        self._make_row(connection, mark)
        newest: int = connection.execute(self._lock, _here(mark)).scalar_one()
        return newest > mark.created

    def is_past(self, mark: Mark) -> bool:
        """Whether a newer event was handled, as of now."""
        with self._database.connected() as connection:
            newest: int | None = connection.scalar(self._read, _here(mark))
        return newest is not None and newest > mark.created

    def advance(self, connection: Connection, mark: Mark) -> None:
        """Raise the mark to this event, inside the caller's transaction."""
        connection.execute(self._raise, _here(mark))

    def hold(self, mark: Mark) -> Literal["held", "stale", "busy"]:
        """Take the object for one lease, so that its events are handled one at a time."""
        with self._database.transaction() as connection:
            self._make_row(connection, mark)
            if connection.execute(self._hold, _here(mark)).rowcount == 1:
                return "held"
            newest: int = connection.execute(self._read, _here(mark)).scalar_one()
        return "stale" if newest > mark.created else "busy"

    def renew(self, mark: Mark) -> bool:
        """Begin the object's lease anew; False if it was lost."""
        with self._database.transaction() as connection:
            return connection.execute(self._renew, _here(mark)).rowcount == 1

    def let_go(self, mark: Mark) -> None:
        """Give the object back without raising the mark."""
        with self._database.transaction() as connection:
            connection.execute(self._let_go, _here(mark))


def _here(mark: Mark) -> dict[str, Any]:
    return {
        "of_handler": mark.handler,
        "of_object": mark.object_id,
        "of_created": mark.created,
        "of_event": mark.event_key,
    }
