"""Replay one handler of a stored event, and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidPayloadError
from ..inbox.errors import InboxUnavailableError
from ..inbox.records import Claim, Failure, Stored
from ..resources import Event
from .calling import describe
from .event_run import NO_HANDLER, UNREADABLE, EventRun
from .results import DispatchResult

if TYPE_CHECKING:
    from ..inbox.store import Inbox

logger = logging.getLogger(__name__)


class _Elsewhere(NamedTuple):
    """The fact has an event of its own, under whose idempotency keys it was handled."""

    key: int


class OneHandler:
    """Runs one handler of an event by a person's decision, done or not, here and now.

    Nobody else handles the event meanwhile. What else it waits for, or has failed at, is
    left as it is, whatever becomes of the handler, and whenever the process dies.

    :param run: Runs handlers under a ledger that lets a done one run again.
    """

    def __init__(self, run: EventRun, inbox: Inbox) -> None:
        self._run = run
        self._inbox = inbox

    def replay(self, key: int, handler: str) -> DispatchResult:
        """Run ``handler`` for the event, or for that of the fact that it tells of."""
        stored = self._inbox.visits.begin(key)
        if stored is None:
            return "busy"
        try:
            with self._inbox.keeping_visit(stored.claim):
                result = self._replay(stored, handler)
        finally:
            self._end(stored.claim)
        return result if isinstance(result, str) else self.replay(result.key, handler)

    def _replay(self, stored: Stored, handler: str) -> DispatchResult | _Elsewhere:
        self._inbox.upkeep.note_replay(stored.claim.key)
        if stored.payload is None:
            return self._fail(stored.claim, UNREADABLE)
        try:
            event = Event.from_json(stored.payload)
        except InvalidPayloadError as error:
            return self._fail(stored.claim, error)
        leader = self._inbox.facts.leader_of(event)
        if leader is not None and leader[1] != stored.claim.key:
            return _Elsewhere(leader[1])
        return self._run.run_only(stored.claim, event, handler)

    def _end(self, visit: Claim) -> None:
        try:
            self._inbox.visits.end(visit)
        except InboxUnavailableError as error:
            logger.warning("A visit was not ended and has to run out: %s", error)

    def _fail(self, claim: Claim, error: Exception) -> DispatchResult:
        logger.error("An event can't be replayed (row %d): %s", claim.key, error)
        self._inbox.ledger.add_failures(claim, [Failure(NO_HANDLER, describe(error))])
        return "failed"
