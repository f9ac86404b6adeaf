"""What a worker does when it is told that there is work: all of it that is due."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from ..webhooks.backlog import Backlog

LARGEST_BATCH = 50
SPAN = 1.0
"""Seconds that a batch should take, so that slow work is shared between workers."""

TURN = 20.0
"""Seconds after which a worker turns to its other messages."""

_REMEMBERED = 10_000


class Worker:
    """Works off one account's due events in one process."""

    def __init__(self, backlog: Backlog, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._backlog = backlog
        self._clock = clock
        self._size = 1
        self._finished: OrderedDict[int, None] = OrderedDict()

    def work(self, hint: int) -> int:
        """Handle everything that is due, and return how many events were taken.

        A hint whose event this process has just finished is passed over: with a
        backlog most messages come after their event.
        """
        if self._finished.pop(hint, hint) is None:
            return 0
        began, taken = self._clock(), 0
        while handled := self._turn():
            taken += handled
            if self._clock() - began > TURN:
                break
        return taken

    def _turn(self) -> int:
        """Handle one event of a dead worker, and a batch of what waits."""
        lapsed = self._backlog.handle_lapsed()
        began = self._clock()
        handled = self._backlog.handle_batch(self._size)
        self._adapt(len(handled), self._clock() - began)
        if lapsed is not None:
            handled.append(lapsed)
        self._remember([key for key, result in handled if result == "done"])
        return len(handled)

    def _adapt(self, handled: int, seconds: float) -> None:
        if handled:
            fitting = int(SPAN * handled / max(seconds, 0.001))
            self._size = max(1, min(LARGEST_BATCH, fitting))

    def _remember(self, keys: list[int]) -> None:
        self._finished.update(dict.fromkeys(keys))
        while len(self._finished) > _REMEMBERED:
            self._finished.popitem(last=False)
