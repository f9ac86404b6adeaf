"""Replay one handler of a stored event, and nothing else."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..errors import InvalidPayloadError
from ..inbox.errors import InboxUnavailableError
from ..inbox.records import Held
from ..resources import Event
from .event_run import UNREADABLE, EventRun
from .results import DispatchResult

if TYPE_CHECKING:
    from ..inbox.store import Inbox

logger = logging.getLogger(__name__)


class OneHandler:
    """Runs one handler of an event by a person's decision.

    What else the event waits for, or has failed at, is left as it is: the event goes back
    to the state it was in, unless this was the last handler, or fails.
    """

    def __init__(self, run: EventRun, inbox: Inbox) -> None:
        self._run = run
        self._inbox = inbox

    def replay(self, key: int, handler: str) -> DispatchResult:
        """Run ``handler`` here and now, though it may be done."""
        held = self._inbox.holds.take(key)
        if held is None:
            return "busy"
        try:
            with self._inbox.keeping(held.stored.claim):
                return self._replay_held(held, handler)
        except BaseException:
            self._put_back_interrupted(held)
            raise

    def _replay_held(self, held: Held, handler: str) -> DispatchResult:
        claim = held.stored.claim
        if held.stored.payload is None:
            return self._run.give_up(claim, None, UNREADABLE)
        try:
            event = Event.from_json(held.stored.payload)
        except InvalidPayloadError as error:
            return self._run.give_up(claim, None, error)
        leader = self._inbox.facts.leader_of(event)
        if leader is not None and leader[1] != claim.key:
            # Its fact has an event of its own, under whose idempotency keys it was handled.
            self._inbox.holds.put_back(held)
            return self.replay(leader[1], handler)
        result = self._run.run_only(claim, event, handler)
        if result == "done" and self._run.is_finished(claim, event):
            self._inbox.ledger.note_done(claim, None, closes=True)
        elif result != "failed":
            self._inbox.holds.put_back(held)
        return result

    def _put_back_interrupted(self, held: Held) -> None:
        if held.state == "done":  # the handler is not, any more: whoever sweeps runs it
            held = held._replace(state="pending", due_at=0)
        try:
            self._inbox.holds.put_back(held)
        except InboxUnavailableError as error:
            logger.warning("A claim was not given back and has to run out: %s", error)
