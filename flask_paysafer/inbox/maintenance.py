"""Change what the inbox holds by a person's decision: replay, set aside, prune, re-encrypt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from ..errors import PayloadUnreadableError
from .database import Database, now_ms
from .encryption import Seal
from .events import is_not_replayed
from .queries import Browser, EventFilter
from .records import State

PRUNED: tuple[State, ...] = ("done", "ignored")
"""What is pruned by age; failed and quarantined rows stay until they are asked for by name."""

KEPT_DAYS = 400
"""For how long the ids of pruned events are kept by default."""

LEAST_KEPT_DAYS = 35
"""No less: PaySafer may still deliver them, and ``reconcile`` looks as far back."""

_BATCH = 500


class Upkeep:
    """Changes one account's rows."""

    def __init__(self, database: Database, seal: Seal, browser: Browser, *, account: str) -> None:
        self._database = database
        self._seal = seal
        self._browser = browser
        self._account = account
        event, run = database.tables.event, database.tables.handler_run
        self._event = event
        is_key = and_(event.c.account == account, event.c.key == bindparam("of_event"))
        is_idle = or_(event.c.state != "processing", event.c.due_at <= now_ms())
        is_free = self._is_free = and_(is_idle, is_not_replayed(event))
        is_full = event.c.state != "pruned"
        self._pruned_of = select(event.c.key).where(
            event.c.key.in_(bindparam("keys", expanding=True)), ~is_full
        )
        self._find_free = select(event.c.key).where(event.c.account == account, is_free)
        self._requeue = (
            update(event)
            .where(is_key, is_free, is_full)
            .values(state="pending", due_at=now_ms(), stopped_at=None, attempts=0, finished_at=None)
        )
        self._set_aside = (
            update(event)
            .where(is_key, is_free, is_full)
            .values(state="quarantined", due_at=None, stopped_at=now_ms(), note=bindparam("why"))
        )
        self._forget_runs = delete(run).where(run.c.event_key == bindparam("of_event"))
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

    def note_replay(self, key: int) -> None:
        """Note that a person has an event handled once more."""
        with self._database.single_write() as connection:
            connection.execute(self._note, {"event_key": key, "found": "replay"})

    def set_aside(self, key: int, *, why: str) -> bool:
        """Put an event into quarantine: no delivery and no sweep runs it; False while it runs."""
        with self._database.transaction() as connection:
            result = connection.execute(self._set_aside, {"of_event": key, "why": why[:255]})
        return result.rowcount == 1

    def prune(self, wanted: EventFilter) -> Iterator[int]:
        """Empty the events that are asked for: payload, errors, deliveries and executions go.

        Id, type, object and sum stay, so that an event that is delivered again is known, and
        ``reconcile`` misses nothing. What a worker has is left alone.

        Yields how many each batch emptied. A batch is one short transaction, so that new
        events don't wait.
        """
        emptied = (
            update(self._event)
            .where(self._event.c.account == self._account, self._is_free)
            .where(*wanted.conditions(self._event))
            .values(
                state="pruned",
                due_at=None,
                stopped_at=None,
                payload=b"",
                encrypted=False,
                verified_with=None,
                note=None,
            )
        )
        before: int | None = None
        while rows := self._browser.find(wanted, limit=_BATCH, before=before):
            before, keys = rows[-1].key, [row.key for row in rows]
            with self._database.transaction() as connection:
                connection.execute(emptied.where(self._event.c.key.in_(keys)))
                pruned = list(connection.scalars(self._pruned_of, {"keys": keys}))
                self._delete_belongings(connection, pruned)
            yield len(pruned)

    def forget(self, received_before: int) -> Iterator[int]:
        """Delete the pruned events that were received before a time; yield each batch's number.

        Delivered again, they would be new events.

        :param received_before: UTC milliseconds.
        """
        wanted = EventFilter(states=["pruned"], until=received_before)
        while rows := self._browser.find(wanted, limit=_BATCH):
            yield self._delete([row.key for row in rows], self._event.c.state == "pruned")

    def remove(self, event_ids: Sequence[str]) -> int:
        """Delete these events, but for those that a worker has, and return how many there were."""
        wanted = self._find_free.where(self._event.c.event_id.in_(event_ids))
        with self._database.connected() as connection:
            keys = [*connection.scalars(wanted)]
        return self._delete(keys, self._is_free)

    def _delete(self, keys: list[int], *conditions: ColumnElement[bool]) -> int:
        """Delete those of the events that ``conditions`` still hold for, and count them."""
        event = self._event
        chosen = select(event.c.key).where(event.c.key.in_(keys), *conditions).with_for_update()
        with self._database.transaction() as connection:
            held = list(connection.scalars(chosen))
            self._delete_belongings(connection, held)
            gone = connection.execute(delete(event).where(event.c.key.in_(held)))
        return gone.rowcount

    def _delete_belongings(self, connection: Connection, keys: list[int]) -> None:
        tables = self._database.tables
        for table in (tables.handler_run, tables.failure, tables.delivery):
            connection.execute(delete(table).where(table.c.event_key.in_(keys)))

    def reencrypt(self) -> Iterator[bool]:
        """Encrypt every payload with the first key. Yields for each whether it could be read.

        When all could, the keys behind the first can be dropped. The calls of open attempts
        to pay are payloads too: without them a lost answer can't be asked for again.
        """
        event = self._database.tables.event
        for row in self._browser.walk(EventFilter()):  # pruned ones have no payload
            yield self._renew(event.c.payload, event.c.encrypted, event.c.key == row.key)
        attempt = self._database.tables.checkout_attempt
        for reference, number in self._open_attempts():
            is_it = and_(
                attempt.c.account == self._account,
                attempt.c.reference == reference,
                attempt.c.number == number,
            )
            yield self._renew(attempt.c.request, attempt.c.request_encrypted, is_it)

    def _open_attempts(self) -> Sequence[Any]:
        attempt = self._database.tables.checkout_attempt
        query = select(attempt.c.reference, attempt.c.number).where(
            attempt.c.account == self._account, attempt.c.request.is_not(None)
        )
        with self._database.connected() as connection:
            return connection.execute(query).all()

    def _renew(
        self, payload: Column[bytes], encrypted: Column[bool], is_row: ColumnElement[bool]
    ) -> bool:
        # An answer that comes meanwhile drops what was asked: that is not to be put back.
        is_it = and_(is_row, payload.is_not(None))
        with self._database.transaction() as connection:
            row = connection.execute(select(payload, encrypted).where(is_it)).one_or_none()
            if row is None:
                return True
            try:
                renewed = self._seal.renew(row[0], encrypted=row[1])
            except PayloadUnreadableError:
                return False
            changes = {payload: renewed, encrypted: self._seal.encrypts}
            connection.execute(update(payload.table).where(is_it).values(changes))
        return True
