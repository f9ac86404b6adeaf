"""Change what the inbox holds by a person's decision: replay, set aside, prune, re-encrypt."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import and_, bindparam, delete, insert, or_, select, update

from .browse import Browser
from .clock import now_ms
from .database import Database
from .errors import PayloadUnreadableError
from .filters import EventFilter
from .records import State
from .schema import NEVER
from .sealing import Seal

PRUNED: tuple[State, ...] = ("done", "ignored")
"""What is pruned by age; failed and quarantined rows stay until they are asked for by name."""

_BATCH = 500


class Upkeep:
    """Changes one account's rows."""

    def __init__(self, database: Database, seal: Seal, browser: Browser, *, account: str) -> None:
        self._database = database
        self._seal = seal
        self._browser = browser
        self._account = account
        event, run = database.tables.event, database.tables.handler_run
        is_key = and_(event.c.account == account, event.c.key == bindparam("of_event"))
        is_free = or_(event.c.state != "processing", event.c.due_at <= now_ms())
        self._requeue = (
            update(event)
            .where(is_key, is_free)
            .values(state="pending", due_at=now_ms(), attempts=0, finished_at=None)
        )
        self._set_aside = (
            update(event)
            .where(is_key, is_free)
            .values(state="quarantined", due_at=NEVER, note=bindparam("why"))
        )
        self._forget_runs = delete(run).where(run.c.event_key == bindparam("of_event"))
        self._forget_run = self._forget_runs.where(run.c.handler == bindparam("of_handler"))
        self._note = insert(database.tables.delivery).values(delivered_at=now_ms())

    def requeue(self, key: int, *, again: bool = False) -> bool:
        """Make an event due now, whatever became of it; False while a worker has it.

        :param again: Forget what is done: every handler runs again.
        """
        with self._database.transaction() as connection:
            if connection.execute(self._requeue, {"of_event": key}).rowcount != 1:
                return False
            if again:
                connection.execute(self._forget_runs, {"of_event": key})
            connection.execute(self._note, {"event_key": key, "found": "replay"})
        return True

    def forget_run(self, key: int, handler: str) -> None:
        """Take one handler's row out of the ledger, so that it can run again."""
        with self._database.transaction() as connection:
            connection.execute(self._forget_run, {"of_event": key, "of_handler": handler})
            connection.execute(self._note, {"event_key": key, "found": "replay"})

    def set_aside(self, key: int, *, why: str) -> bool:
        """Put an event into quarantine: no delivery and no sweep runs it; False while it runs."""
        with self._database.transaction() as connection:
            result = connection.execute(self._set_aside, {"of_event": key, "why": why[:255]})
        return result.rowcount == 1

    def prune(self, wanted: EventFilter) -> Iterator[int]:
        """Delete the events that are asked for, with all that belongs to them.

        Yields how many each batch deleted. A batch is one short transaction, so
        that new events don't wait.
        """
        while keys := [row.key for row in self._browser.find(wanted, limit=_BATCH)]:
            self._delete(keys)
            yield len(keys)

    def _delete(self, keys: list[int]) -> None:
        tables = self._database.tables
        with self._database.transaction() as connection:
            for table in (tables.handler_run, tables.failure, tables.delivery):
                connection.execute(delete(table).where(table.c.event_key.in_(keys)))
            connection.execute(delete(tables.event).where(tables.event.c.key.in_(keys)))

    def reencrypt(self) -> Iterator[bool]:
        """Encrypt every payload with the first key. Yields for each whether it could be read.

        When all could, the keys behind the first can be dropped.
        """
        for row in self._browser.walk(EventFilter()):
            yield self._reencrypt(row.key)

    def _reencrypt(self, key: int) -> bool:
        event = self._database.tables.event
        is_key = event.c.key == key
        with self._database.transaction() as connection:
            query = select(event.c.payload, event.c.encrypted).where(is_key)
            row = connection.execute(query).one_or_none()
            if row is None:
                return True
            try:
                payload = self._seal.renew(row.payload, encrypted=row.encrypted)
            except PayloadUnreadableError:
                return False
            changes = {"payload": payload, "encrypted": self._seal.encrypts}
            connection.execute(update(event).where(is_key).values(changes))
        return True
