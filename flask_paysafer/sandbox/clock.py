"""The one clock that everything in the sandbox runs on.

It runs at wall speed, at a multiple of it, or stands still until it is moved.
It never goes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable


class VirtualClock:
    """Unix seconds that can be hurried or stepped.

    :param start: The time it shows at first.
    :param rate: Virtual seconds per real second; 0 stands still.
    :param tick: Real seconds, from any origin; tests pass their own.
    """

    def __init__(
        self, *, start: float, rate: float = 1.0, tick: Callable[[], float] = time.monotonic
    ) -> None:
        self._tick = tick
        # One tuple, replaced whole: a reader in another thread never sees half a change.
        self._state = (start, tick(), rate)

    @property
    def rate(self) -> float:
        """Virtual seconds per real second."""
        return self._state[2]

    def now(self) -> float:
        """Return the virtual time in unix seconds."""
        shown, since, rate = self._state
        return shown + (self._tick() - since) * rate

    def run_at(self, rate: float) -> None:
        """Go on from the present time at another rate."""
        self._state = (self.now(), self._tick(), rate)

    def move_to(self, moment: float) -> None:
        """Jump forward to ``moment``; a moment that has passed changes nothing."""
        self._state = (max(moment, self.now()), self._tick(), self.rate)

    def real_seconds_until(self, moment: float) -> float | None:
        """Return how long to wait for ``moment`` in real seconds; None if it never comes."""
        remaining = moment - self.now()
        if remaining <= 0:
            return 0.0
        return remaining / self.rate if self.rate else None
