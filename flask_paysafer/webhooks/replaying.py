"""Replay one handler of a stored event, and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import InvalidPayloadError
from ..inbox.records import Claim, Failure
from ..resources import Event
from .calling import describe
from .event_run import NO_HANDLER, UNREADABLE, EventRun
from .results import DispatchResult

if TYPE_CHECKING:
    from ..inbox.store import Inbox

logger = logging.getLogger(__name__)


class OneHandler:
    """Runs one handler of an event by a person's decision, done or not, here and now.

    It claims nothing: what else the event waits for, or has failed at, is left as it is,
    whatever becomes of the handler, and whenever the process dies.

    :param run: Runs handlers under a ledger that lets a done one run again.
    """

    def __init__(self, run: EventRun, inbox: Inbox) -> None:
        self._run = run
        self._inbox = inbox

    def replay(self, key: int, handler: str) -> DispatchResult:
        """Run ``handler`` for the event, or for that of the fact that it tells of."""
        stored = self._inbox.claims.visit(key)
        if stored is None:
            return "busy"
        self._inbox.upkeep.note_replay(key)
        if stored.payload is None:
            return self._fail(stored.claim, UNREADABLE)
        try:
            event = Event.from_json(stored.payload)
        except InvalidPayloadError as error:
            return self._fail(stored.claim, error)
        leader = self._inbox.facts.leader_of(event)
        if leader is not None and leader[1] != key:
            # Its fact has an event of its own, under whose idempotency keys it was handled.
            return self.replay(leader[1], handler)
        return self._run.run_only(stored.claim, event, handler)

    def _fail(self, claim: Claim, error: Exception) -> DispatchResult:
        logger.error("An event can't be replayed (row %d): %s", claim.key, error)
        self._inbox.ledger.add_failures(claim, [Failure(NO_HANDLER, describe(error))])
        return "failed"
