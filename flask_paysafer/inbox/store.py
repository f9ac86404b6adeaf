"""The inbox: every event is stored once, before anything is done about it."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from ..errors import InboxUnavailableError, PayloadUnreadableError
from ..events import Event
from ..profile import ApiProfile
from .database import Database
from .encryption import Seal
from .events import Batches, Claims, Known, Ledger, Receipts, ReplayLocks
from .leases import HEARTBEAT
from .maintenance import Upkeep
from .ordering import Watermarks
from .queries import Browser
from .reconciliation import Fact, Facts
from .records import Claim, Mark, Recorded, State, amount_refunded_in, object_id_of, printable_id
from .wakeups import Wakeups

logger = logging.getLogger(__name__)


_IGNORED: tuple[State, int | None] = ("ignored", None)


class Inbox:
    """Stores events and knows what became of them.

    :param account: The extension's name: several may share one set of tables.
    :param claims_on_receipt: Events are handled where they come in, so storing
        one claims it too and saves a commit.
    :param profile: Whose words the stored events are in.
    """

    def __init__(
        self,
        database: Database,
        *,
        account: str,
        lease: int = 300,
        seal: Seal | None = None,
        claims_on_receipt: bool = True,
        profile: ApiProfile | None = None,
    ) -> None:
        self.account = account
        self.profile = profile or ApiProfile()
        self.database = database
        self.seal = seal or Seal()
        self.ledger: Ledger = Ledger(database)
        self.claims = Claims(database, self.seal, lease=lease)
        self.replay_locks = ReplayLocks(database, self.seal, lease=lease)
        self.batches = Batches(database, self.seal, account=account, lease=lease)
        self.browser = Browser(database, self.seal, account=account)
        self.upkeep = Upkeep(database, self.seal, self.browser, account=account)
        self.watermarks = Watermarks(database, account=account, lease=lease)
        self.wakeups = Wakeups(database, account=account)
        self.facts = Facts(database, self.seal, account=account, profile=self.profile)
        self._lease = lease
        self._fresh: tuple[State, int] = (
            ("processing", lease * 1000) if claims_on_receipt else ("pending", 0)
        )
        self._receipts = Receipts(database, account=account)
        event = database.tables.event
        by_id = (event.c.account == account, event.c.event_id == bindparam("event_id"))
        self._find_body = select(event.c.payload, event.c.encrypted).where(*by_id)

    def record(
        self,
        event: Event,
        payload: bytes,
        *,
        verified_with: str | None,
        ignored: str | None = None,
    ) -> Recorded:
        """Store the event unless its id is known, and say what is known of it.

        When this returns, the event is committed. A copy of a known event counts as
        the same if its bytes, or the JSON they hold, are equal; any other is
        quarantined and reported as a conflict. An event that was ignored and is wanted
        now is reported as pending.

        :param ignored: Why nothing is to be done about it; None for an event to handle.
        :raises InboxUnavailableError: if the database can't be used; nothing was stored.
        """
        event.set_origin(self.account)
        state, due_in = self._fresh if ignored is None else _IGNORED
        row = self._row(
            payload, event.id, state, due_in, note=ignored, verified_with=verified_with
        ) | _facts_of(event)
        received = self._receipts.receive(row)
        if not isinstance(received, int):
            known = self._record_again(event, payload, row, received)
            is_wanted_now = known.state == "ignored" and ignored is None
            return known._replace(state="pending") if is_wanted_now else known
        claim = Claim(received, 1, 1) if state == "processing" else None
        return Recorded(received, event.id, "pending" if claim else state, is_new=True, claim=claim)

    def store_local(
        self,
        connection: Connection,
        event: Event,
        payload: bytes,
        *,
        sequence: str,
        ignored: str | None,
    ) -> int | None:
        """Store an event that is written here, in the caller's transaction.

        :param sequence: Events of one sequence are handled one after the other.
        :param ignored: Why nothing is to be done about it; None for an event to handle.
        :returns: The row's key; None if the event is stored already.
        """
        state, due_in = ("pending", 0) if ignored is None else _IGNORED
        row = self._row(payload, event.id, state, due_in, note=ignored, verified_with=None) | {
            "type": event.type,
            "object_id": printable_id(event.data.get("reference")),
            "created": event.created,
            "sequence": sequence,
        }
        key: int | None = self._receipts.insert(connection, row)
        if key is None and self._rename_received(connection, event.id):
            key = self._receipts.insert(connection, row)
        return key

    def _rename_received(self, connection: Connection, event_id: str) -> bool:
        """Make room where an event with a local event's id was received, and stored as ignored."""
        table = self.database.tables.event
        is_received = and_(
            table.c.account == self.account,
            table.c.event_id == event_id,
            table.c.sequence.is_(None),
        )
        renamed = update(table).where(is_received).values(event_id=f"received_{event_id}")
        return connection.execute(renamed).rowcount == 1

    def _row(
        self,
        payload: bytes,
        event_id: str,
        state: State,
        due_in: int | None,
        *,
        note: str | None,
        verified_with: str | None,
    ) -> dict[str, Any]:
        is_claimed = int(state == "processing")
        return {
            "account": self.account,
            "event_id": event_id,
            "state": state,
            "due_in": due_in,
            "stopped_in": 0 if state == "quarantined" else None,
            "amount_refunded": None,
            "fence": is_claimed,
            "attempts": is_claimed,
            "digest": hashlib.sha256(payload).hexdigest(),
            "verified_with": verified_with,
            "note": note,
            "encrypted": self.seal.encrypts,
            "payload": self.seal.close(payload),
        }

    def _record_again(
        self, event: Event, payload: bytes, row: dict[str, Any], known: Known | None
    ) -> Recorded:
        if known is None:
            raise InboxUnavailableError(
                "An event was pruned while it came in again; it will be taken when it comes next."
            )
        if known.digest != row["digest"] and known.state != "pruned":
            if not self._holds_same(event.id, payload):
                return self._refuse_conflict(event.id, known, payload, row["verified_with"])
            self._receipts.count(known, row["verified_with"])
        return Recorded(known.key, event.id, known.state, is_new=False)

    def _holds_same(self, event_id: str, payload: bytes) -> bool:
        """Whether the stored body holds the same JSON, written in another way."""
        with self.database.connected() as connection:
            stored = connection.execute(self._find_body, {"event_id": event_id}).one()
        try:
            known = self.seal.open(stored.payload, encrypted=stored.encrypted)
        except PayloadUnreadableError:
            return False
        return _canonical(known) == _canonical(payload)

    def _refuse_conflict(
        self, event_id: str, known: Known, payload: bytes, verified_with: str | None
    ) -> Recorded:
        self.quarantine(
            payload,
            reason="other content under a known event id",
            event_id=event_id,
            verified_with=verified_with,
        )
        logger.error(
            "Event %s came again with other content. The copy was quarantined and no "
            "handler ran for it; compare the two on the operator page.",
            event_id,
        )
        return Recorded(known.key, event_id, known.state, is_new=False, conflict=True)

    def keeping(self, claim: Claim) -> AbstractContextManager[None]:
        """Renew the lease of a claim or a replay lock for as long as the block takes."""
        renew = self.replay_locks.renew if claim.is_replay_lock else self.claims.renew
        return HEARTBEAT.keeping(partial(renew, claim), lease=self._lease)

    @contextmanager
    def keeping_all(self, claims: list[Claim]) -> Iterator[None]:
        """Renew the leases of a batch whose last event waits for the others."""
        with ExitStack() as stack:
            for claim in claims:
                stack.enter_context(self.keeping(claim))
            yield

    def keeping_object(self, mark: Mark) -> AbstractContextManager[None]:
        """Renew the hold on the mark's object for as long as the block takes."""
        return HEARTBEAT.keeping(partial(self.watermarks.renew, mark), lease=self._lease)

    def record_fact(self, fact: Fact, event: Event, payload: bytes) -> Claim | None:
        """Let a proposed fact stand and store its event, claimed by the caller, in one commit.

        :returns: None if the fact was withdrawn, or stands already; nothing was stored then.
        :raises InboxUnavailableError: if the database can't be used; nothing was stored.
        """
        row = self._row(
            payload, event.id, "processing", self._lease * 1000, note=None, verified_with=None
        ) | _facts_of(event)
        with self.database.transaction() as connection:
            if not self.facts.let_stand(connection, fact):
                return None
            key: int = self._receipts.insert(connection, row)
            self.facts.tie(connection, fact, key)
        return Claim(key, 1, 1)

    def quarantine(
        self,
        payload: bytes,
        *,
        reason: str,
        event_id: str | None = None,
        verified_with: str | None = None,
    ) -> None:
        """Keep an authentic body aside for a person. The same body is kept once.

        :raises InboxUnavailableError: if the database can't be used; nothing was stored.
        """
        about = f"{reason} ({event_id})" if event_id else reason
        row = self._row(
            payload,
            aside_id(payload),
            "quarantined",
            None,
            note=about[:255],
            verified_with=verified_with,
        ) | {"type": "", "object_id": None, "created": 0}
        with self.database.transaction() as connection:
            self._receipts.insert(connection, row)


def _facts_of(event: Event) -> dict[str, Any]:
    return {
        "type": event.type,
        "object_id": object_id_of(event),
        "created": event.created,
        "amount_refunded": amount_refunded_in(event),
    }


def aside_id(payload: bytes) -> str:
    """Return the id under which a body is kept in quarantine."""
    return f"quarantined_{hashlib.sha256(payload).hexdigest()[:32]}"


def _canonical(payload: bytes) -> str:
    return json.dumps(json.loads(payload), sort_keys=True)
