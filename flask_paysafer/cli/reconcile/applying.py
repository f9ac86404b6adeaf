"""Have missed facts handled, each once, whatever arrives meanwhile.

Follows the three steps of :mod:`flask_paysafer.inbox.reconciliation`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

from ...errors import InvalidPayloadError, PayloadUnreadableError
from ...events import Event
from ...inbox.reconciliation import NOTICE
from ...inbox.records import Claim
from ...state import AppState
from ...webhooks.runner import wait_before
from .payments import event_of
from .search import Missed
from .told import Told

Outcome = Literal["handled", "failed", "busy", "arrived"]
"""What became of a missed fact. ``arrived``: its event came in just now and takes its usual way."""

_WAIT = 1.5 * NOTICE
_OUTCOMES: dict[str, Outcome] = {"done": "handled", "failed": "failed", "busy": "busy"}


class Applying:
    """Handles what was missed.

    :param late_key: The row from which on events may have come in after they were compared.
    """

    def __init__(
        self, state: AppState, *, late_key: int, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._state = state
        self._late_key = late_key
        self._sleep = sleep
        self._is_noticed = False

    def apply(self, missed: Sequence[Missed], *, seen_at: int) -> Iterator[tuple[Missed, Outcome]]:
        """Handle these facts; yield what became of each."""
        facts = self._state.inbox.facts
        new = [one.fact for one in missed if one.event_key is None]
        for fact in new:
            facts.propose(fact, seen_at=seen_at)
        if new and not self._is_noticed:
            self._sleep(_WAIT)
        ids = {fact.object_id for fact in new}
        with Told(facts.told_by_events(self._late_key, ids) if ids else ()) as late:
            for one in missed:
                yield one, self._handle(one, late, seen_at)

    def _handle(self, missed: Missed, late: Told, seen_at: int) -> Outcome:
        if missed.event_key is not None:
            return self._handle_again(missed.event_key)
        if late.covers(missed.fact):
            self._state.inbox.facts.withdraw(missed.fact)
            return "arrived"
        try:
            event, payload = event_of(
                missed.fact, missed.payment, seen_at=seen_at, profile=self._state.config.profile
            )
        except InvalidPayloadError:
            return "failed"
        claim = self._state.inbox.record_fact(missed.fact, event, payload)
        if claim is None:
            return "arrived"
        # From now on there always is a fact, so that no worker can miss that there are any.
        self._is_noticed = True
        self._state.event_run.announce(event)
        return self._run(claim, event)

    def _handle_again(self, event_key: int) -> Outcome:
        stored = self._state.inbox.claims.take_stored(event_key)
        if stored is None:
            return "busy"
        try:
            event = stored.read(self._state.config.profile)
        except PayloadUnreadableError as error:
            return _OUTCOMES[self._state.event_run.give_up(stored.claim, None, error)]
        return self._run(stored.claim, event)

    def _run(self, claim: Claim, event: Event) -> Outcome:
        return _OUTCOMES[self._state.event_run.run(claim, event, retry_in=self._retry_in)]

    @property
    def _retry_in(self) -> float | None:
        """Seconds until the shop's workers try again what fails; None where there are none."""
        config = self._state.config
        if config.dispatch == "inline":
            return None
        return wait_before(1, base=config.handler_retry_base, jitter=random.random)
