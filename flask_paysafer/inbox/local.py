"""Local events: what happens here, such as a renewal, is an event in the same inbox.

A local event is written in the same transaction as the state that it is about, so that
either both are there or neither is. How the checkout and subscriptions use it::

    with inbox.database.transaction() as connection:
        ...                                         # the change of state
        written = local_events.write(
            connection,
            "subscription.renewed",
            {"object": "subscription", "reference": reference, ...},
            fact=(shop, reference, period.number),  # unique: written twice, it is one event
            created=now,                            # unix seconds, by the application's clock
        )
    local_events.run(written)                       # after the commit; never raises

``run`` runs the handlers at once, or with Celery sends a hint. If the process dies before
it, or a handler fails, ``events sweep`` and ``renewals run`` (by ``state.backlog.sweep``)
try again. The local events of one object (``data["object"]``, ``data["reference"]``) are
handled in the order in which they were written: write an object's events one after the
other, each while the object is locked or held.

``fact`` makes the event's id, and so the idempotency keys of calls that handlers make.
Put something into it that no other installation has, such as a payment's id.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection

from ..events import LOCAL_EVENT_TYPES, LOCAL_ID, Event
from .store import Inbox

logger = logging.getLogger(__name__)


class WrittenEvent(NamedTuple):
    """A local event that is stored once the caller's transaction is committed."""

    key: int
    event: Event
    is_wanted: bool
    """Whether there is a handler for it; else it is stored as ignored."""


class LocalEvents:
    """Writes one account's local events, and has them handled.

    :param livemode: As the API keys; None where no key is set.
    :param is_wanted: Whether a handler is there for a type of events.
    :param announce: Called with each event once it is stored.
    :param handle: Called with the key of an event that is to be handled.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        livemode: bool | None,
        is_wanted: Callable[[str], bool],
        announce: Callable[[Event], None],
        handle: Callable[[int], object],
    ) -> None:
        self._inbox = inbox
        self._livemode = livemode
        self._is_wanted = is_wanted
        self._announce = announce
        self._handle = handle

    def write(
        self,
        connection: Connection,
        event_type: str,
        data: Mapping[str, Any],
        *,
        created: int,
        fact: tuple[str | int, ...] | None = None,
    ) -> WrittenEvent | None:
        """Store an event in the caller's transaction.

        :param data: ``event.data``, with ``object`` and ``reference``.
        :param created: When it happened, in unix seconds.
        :param fact: What happened, if it can only happen once: the event of a type and a fact
            is stored once, however often it is written.
        :returns: The event, for :meth:`run`; None if its fact has an event already.
        :raises ValueError: for a type that is no local event's.
        """
        if event_type not in LOCAL_EVENT_TYPES:
            raise ValueError(f"{event_type!r} is not one of {', '.join(LOCAL_EVENT_TYPES)}.")
        payload = self._payload(event_type, data, created, fact)
        event = Event.from_json(payload)
        event.set_origin(self._inbox.account, local=True)
        is_wanted = self._is_wanted(event_type)
        key = self._inbox.store_local(
            connection,
            event,
            payload,
            sequence=_digest(self._inbox.account, data["object"], data["reference"]),
            ignored=None if is_wanted else "no handler",
        )
        return None if key is None else WrittenEvent(key, event, is_wanted)

    def _payload(
        self,
        event_type: str,
        data: Mapping[str, Any],
        created: int,
        fact: tuple[str | int, ...] | None,
    ) -> bytes:
        account = self._inbox.account
        name = secrets.token_hex(16) if fact is None else _digest(account, event_type, *fact)
        mode = {} if self._livemode is None else {"livemode": self._livemode}
        fields = {
            "id": f"{LOCAL_ID}{name}",
            "object": "event",
            "type": event_type,
            "created": created,
            "data": {**mode, **data},
        }
        return json.dumps(fields, ensure_ascii=False).encode()

    def run(self, *written: WrittenEvent | None) -> None:
        """Have events handled that were written, once their transaction is committed.

        :param written: As :meth:`write` returned them; None is passed over.
        """
        for one in written:
            if one is not None:
                self._run(one)

    def _run(self, written: WrittenEvent) -> None:
        try:
            self._announce(written.event)
            if written.is_wanted:
                self._handle(written.key)
        except Exception:
            logger.exception("Event %s waits for the next sweep.", written.event.id)


def _digest(*parts: str | int) -> str:
    """Return 32 characters for these parts and no others."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:32]
