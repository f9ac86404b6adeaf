"""Handle events that are stored already: what is due, what was lost, what is replayed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import InvalidPayloadError
from ..inbox.records import Claim, Stored
from ..resources import Event
from .event_run import UNREADABLE, EventRun
from .results import DispatchResult

if TYPE_CHECKING:
    from ..inbox.store import Inbox

GROWTH = 2.24
"""How much longer each wait is than the one before: 12 attempts from 30 s on fill 48 hours."""

_JITTER = 0.1
_BATCH = 50


def wait_before(attempt: int, *, base: float, jitter: Callable[[], float]) -> float:
    """Return the seconds from a failed ``attempt`` (from 1) to the next.

    :param jitter: Returns a number from 0 to 1; spreads what failed together by 10 %.
    """
    wait: float = base * GROWTH ** (attempt - 1)
    return wait * (1 - _JITTER + 2 * _JITTER * jitter())


_WORKERS_DIED = RuntimeError(
    "Every attempt ended without an outcome: workers were killed at this event, or lost their lease"
)


class Backlog:
    """Works off stored events.

    :param max_attempts: After how many an event is ``failed``.
    :param retry_base: Seconds to the first retry; None: a failed event waits to be
        delivered or replayed.
    """

    def __init__(
        self,
        run: EventRun,
        inbox: Inbox,
        *,
        max_attempts: int = 1,
        retry_base: float | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._run = run
        self._inbox = inbox
        self._max_attempts = max_attempts
        self._retry_base = retry_base
        self._jitter = jitter

    def handle(self, key: int) -> DispatchResult:
        """Handle one event if it is due and nobody has it."""
        stored = self._inbox.claims.take_due(key)
        return "busy" if stored is None else self.handle_claimed(stored)

    def handle_batch(self, at_most: int) -> list[tuple[int, DispatchResult]]:
        """Claim and handle what waits, the longest waiting first.

        :returns: Key and result of each event; empty when nothing waits.
        """
        waiting = self._inbox.batches.take(at_most)
        results: list[tuple[int, DispatchResult]] = []
        with self._inbox.keeping_all([stored.claim for stored in waiting]):
            try:
                while waiting:
                    stored = waiting.pop(0)
                    results.append((stored.claim.key, self.handle_claimed(stored)))
            except BaseException:
                for stored in waiting:
                    self._run.give_back(stored.claim, spent=False)
                raise
        return results

    def handle_lapsed(self) -> tuple[int, DispatchResult] | None:
        """Claim and handle one event whose worker died; None if there is none."""
        stored = self._inbox.batches.take_lapsed()
        return None if stored is None else (stored.claim.key, self.handle_claimed(stored))

    def sweep(self, at_most: int) -> list[DispatchResult]:
        """Handle everything that is due, but no more than ``at_most`` events."""
        results: list[DispatchResult] = []
        while len(results) < at_most:
            handled = self.handle_batch(min(_BATCH, at_most - len(results)))
            lapsed = self.handle_lapsed()
            results.extend(result for _, result in handled)
            if lapsed is not None:
                results.append(lapsed[1])
            elif not handled:
                break
        return results

    def handle_claimed(self, stored: Stored) -> DispatchResult:
        """Run the handlers of a claimed event that are not yet done."""
        claim = stored.claim
        if stored.payload is None:
            return self._run.give_up(claim, None, UNREADABLE)
        try:
            event = Event.from_json(stored.payload)
        except InvalidPayloadError as error:
            return self._run.give_up(claim, None, error)
        if self._retry_base is not None and claim.attempt > self._max_attempts:
            return self._run.give_up(claim, event, _WORKERS_DIED)
        return self._run.run(claim, event, retry_in=self._retry_in(claim))

    def _retry_in(self, claim: Claim) -> float | None:
        if self._retry_base is None or claim.attempt >= self._max_attempts:
            return None
        return wait_before(claim.attempt, base=self._retry_base, jitter=self._jitter)
