"""Keep the leases of what this process is working on.

A handler may take longer than a lease. One thread per process renews what is held
every third of the shortest lease; when the process dies, so does the thread, and the
leases run out. Holding and letting go costs two dictionary writes: the thread is not
woken for them.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..errors import InboxUnavailableError

logger = logging.getLogger(__name__)

Renew = Callable[[], bool]


class Heartbeat:
    """Calls what renews leases, again and again, while they are held."""

    def __init__(self) -> None:
        self._held: dict[int, Renew] = {}
        self._numbers = itertools.count()
        self._pause = float("inf")
        self._changed = threading.Condition()
        self._process: int | None = None

    @contextmanager
    def keeping(self, renew: Renew, *, lease: float) -> Iterator[None]:
        """Call ``renew`` at least twice in every ``lease`` seconds of the block."""
        if self._process != os.getpid() or lease / 3 < self._pause:
            self._quicken(lease / 3)
        number = next(self._numbers)
        self._held[number] = renew
        try:
            yield
        finally:
            self._held.pop(number, None)

    def _quicken(self, pause: float) -> None:
        with self._changed:
            self._pause = min(self._pause, pause)
            self._changed.notify()
            if self._process != os.getpid():  # the thread does not come along into a fork
                self._process = os.getpid()
                self._held.clear()  # the parent's: kept here, they would outlive its death
                threading.Thread(target=self._beat, name="paysafer-leases", daemon=True).start()

    def _beat(self) -> None:
        while True:
            with self._changed:
                self._changed.wait(self._pause)
            for renew in list(self._held.values()):
                _renewed(renew)


def _renewed(renew: Renew) -> None:
    try:
        if not renew():
            logger.debug("A lease could not be renewed: the work is done or another worker's.")
    except InboxUnavailableError as error:
        logger.debug("A lease could not be renewed now: %s", error)
    except Exception:
        logger.exception("Renewing a lease failed.")


HEARTBEAT = Heartbeat()
"""The process's own."""
