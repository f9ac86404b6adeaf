"""Whether a message to the workers is under way, so that a backlog does not send one per event.

A row for each account says since when one is. Whoever has committed an event looks at it, and
sends a message only if none is under way. A worker that gets one notes so before it looks for
work: an event for which nothing was sent was committed before that, and is found.
"""

from __future__ import annotations

from functools import cached_property

from sqlalchemy import and_, bindparam, or_, select, update

from .database import Database, InsertAbsent, insert_absent, now_ms


class Wakeups:
    """The messages of one account.

    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(self, database: Database, *, account: str) -> None:
        self._database = database
        self._account = account
        wakeup = self._wakeup = database.tables.wakeup
        is_mine = wakeup.c.account == account
        self._find = select(wakeup.c.account, now_ms() - wakeup.c.sent_at).where(is_mine)
        is_none_under_way = or_(
            wakeup.c.sent_at.is_(None), wakeup.c.sent_at <= now_ms() - bindparam("lost_after")
        )
        self._send = update(wakeup).where(is_mine, is_none_under_way).values(sent_at=now_ms())
        self._arrive = (
            update(wakeup).where(and_(is_mine, wakeup.c.sent_at.is_not(None))).values(sent_at=None)
        )

    @cached_property
    def _insert(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._wakeup, {"sent_at": now_ms()})

    def send(self, *, lost_after: float) -> bool:
        """Note that a message is sent, and return True; False if one is under way already.

        :param lost_after: Seconds after which one that did not arrive is taken for lost.
        """
        lost_after_ms = round(lost_after * 1000)
        with self._database.connected() as connection:
            found = connection.execute(self._find).first()
            if found is not None and found[1] is not None and found[1] < lost_after_ms:
                return False
        if found is None:
            with self._database.transaction() as connection:
                return self._insert(connection, {"account": self._account}) is not None
        with self._database.single_write() as connection:
            return connection.execute(self._send, {"lost_after": lost_after_ms}).rowcount == 1

    def arrive(self) -> None:
        """Note that the message that was under way has arrived, or could not be sent."""
        if self._database.dialect == "sqlite" and not self._is_under_way():
            return  # without waiting for the one right to write
        with self._database.single_write() as connection:
            connection.execute(self._arrive)

    def _is_under_way(self) -> bool:
        with self._database.connected() as connection:
            found = connection.execute(self._find).first()
        return found is not None and found[1] is not None
