"""Wake Celery's workers in bounded time, and let them process all that is due.

The database is the queue. A message only wakes a worker: it may be lost, sent twice or find
nothing to do, and with the broker down the sweep wakes the workers later.
"""

from __future__ import annotations

import logging
import mmap
import os
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from flask import Flask
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

from ..errors import InboxUnavailableError
from ..events import Event
from ..inbox.records import Recorded
from ..inbox.store import Inbox
from .runner import Backlog, DispatchResult, EventRun, Stop

logger = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that any one step with the broker may take."""

QUIET = 5.0
"""Seconds for which nothing is published after the broker failed: the sweep finds it all."""

FIRST_ACCOUNT = "paysafer"
"""The account that a message without one is for."""

HANDLE = "flask_paysafer.handle"
SWEEP = "flask_paysafer.sweep"
RENEW = "flask_paysafer.renew"

_BOUNDS = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}
_ONE_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Publisher:
    """Sends the messages of one account.

    :param app: Its ``app.extensions["celery"]`` may be set late: it is read with each message.
    """

    def __init__(
        self,
        app: Flask,
        *,
        account: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        # The first account's messages carry the row's key alone.
        self._keywords = {} if account == FIRST_ACCOUNT else {"account": account}
        self._clock = clock
        self._quiet_until = 0.0
        self._connection: Connection | None = None
        self._process: int | None = None

    def publish(self, key: int, *, after: float | None = None) -> bool:
        """Send a message about the row ``key``; False if it could not be sent. Never raises.

        :param after: Seconds until a worker is to process it.
        """
        if self._clock() < self._quiet_until:
            return False
        celery: Celery | None = self._app.extensions.get("celery")
        if celery is None:
            logger.error(
                'app.extensions["celery"] is not set: events are stored and wait. Put your Celery '
                "there, as Flask's documentation on Celery shows."
            )
            return False
        message: dict[str, Any] = {"args": (key,), "kwargs": self._keywords, "ignore_result": True}
        if after is not None:
            message["countdown"] = after
        if celery.conf.task_always_eager:
            celery.tasks[HANDLE].apply_async(**message)
            return True
        connection = self._bounded(celery)
        try:
            _send(connection, celery.tasks[HANDLE], message)
        except _broker_errors(connection) as error:
            self._quiet_until = self._clock() + QUIET
            logger.warning("The broker can't be reached; the sweep will find the event: %s", error)
            return False
        except Exception:
            # The event is stored: whatever else a merchant's Celery may refuse is no failure.
            logger.exception("A message could not be sent; the sweep will find the event.")
            return False
        return True

    def _bounded(self, celery: Celery) -> Connection:
        """Return a connection like Celery's own whose every step has a timeout."""
        if self._connection is None or self._process != os.getpid():
            options: dict[str, Any] = celery.conf.broker_transport_options or {}
            self._connection = celery.connection_for_write(
                connect_timeout=TIMEOUT, transport_options={**options, **_BOUNDS}
            )
            self._process = os.getpid()
        return self._connection


def _send(connection: Connection, task: Any, message: dict[str, Any]) -> None:
    with producers[connection].acquire(block=True, timeout=TIMEOUT) as producer:
        task.apply_async(**message, producer=producer, retry=True, retry_policy=_ONE_RETRY)


def _broker_errors(connection: Connection) -> tuple[type[BaseException], ...]:
    errors: tuple[type[BaseException], ...] = (KombuError, OSError)
    return (*errors, *connection.connection_errors, *connection.channel_errors)


# Wake workers: one message serves all that is due.


class Waker:
    """Sends a message to the workers of one account unless one is under way.

    :param lost_after: Seconds after which a message that did not arrive is taken for lost.
    """

    def __init__(self, inbox: Inbox, publisher: Publisher, *, lost_after: float) -> None:
        self._inbox = inbox
        self._publisher = publisher
        self._lost_after = lost_after

    def wake(self, key: int) -> None:
        """Have a worker take all that is due, the event with this row among it. Never raises."""
        try:
            if not self._inbox.wakeups.send(lost_after=self._lost_after):
                return
        except InboxUnavailableError as error:
            logger.debug("A message is sent that may not be needed: %s", error)
        if not self._publisher.publish(key):
            self.arrived()

    def arrived(self) -> None:
        """Note that a message has arrived, so that the next event sends one again."""
        try:
            self._inbox.wakeups.arrive()
        except InboxUnavailableError as error:
            logger.debug("The next message is sent once this one is taken for lost: %s", error)


class SharedStop:
    """A flag that the processes of a worker share: those of its pool are forked after it is made.

    Celery tells only the worker's first process that it is to stop.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Ask every process to stop."""
        self._memory[0] = 1

    def clear(self) -> None:
        """Take it back: a worker starts."""
        self._memory[0] = 0

    def is_set(self) -> bool:
        """Whether the processes are to stop."""
        return self._memory[0] == 1


# Process what is due in a worker.


LARGEST_BATCH = 50
SPAN = 1.0
"""Seconds that a batch should take, so that slow work is shared between workers."""

TURN = 20.0
"""Seconds after which a worker turns to its other messages."""


class Worker:
    """Processes one account's due events in one process.

    :param stop: Once it is set, the events of a batch that were not begun are given back.
    """

    def __init__(
        self,
        backlog: Backlog,
        waker: Waker,
        *,
        stop: Stop,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._backlog = backlog
        self._waker = waker
        self._stop = stop
        self._clock = clock
        self._size = 1

    def work(self, key: int) -> int:
        """Handle everything that is due, and return how many events were taken.

        :param key: The row in the message, for the messages that are sent on.
        """
        self._waker.arrived()  # before looking for work, see Wakeups
        began, taken = self._clock(), 0
        while not self._stop.is_set():
            handled = self._turn(key)
            taken += handled
            if not handled:
                return taken
            if self._clock() - began > TURN:
                break
        self._waker.wake(key)  # there may be more
        return taken

    def _turn(self, key: int) -> int:
        """Handle one event of a dead worker, and a batch of what waits."""
        lapsed = self._backlog.handle_lapsed()
        began, size = self._clock(), self._size
        handled = len(self._backlog.handle_batch(size, self._stop))
        self._adapt(handled, self._clock() - began)
        if handled == size and size > 1:
            self._waker.wake(key)  # other workers may help
        return handled + (lapsed is not None)

    def _adapt(self, handled: int, seconds: float) -> None:
        if handled:
            fitting = int(SPAN * handled / max(seconds, 0.001))
            self._size = max(1, min(LARGEST_BATCH, fitting))


# Hand stored events to the workers.


class CeleryDispatcher:
    """Answers at once: the event is stored, and a worker is woken."""

    def __init__(self, run: EventRun, inbox: Inbox, waker: Waker) -> None:
        self._run = run
        self._inbox = inbox
        self._waker = waker

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""
        return self._run.jobs.wants(event.type)

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Wake a worker for the event. With the broker down the next sweep does.

        An event that is delivered again although it was answered was sent again by hand: if
        its attempts are used up, it gets new ones.
        """
        if recorded.is_new:
            self._run.announce(event)
        elif recorded.state in ("done", "quarantined"):
            return "done"
        elif recorded.state != "processing":
            self._inbox.claims.make_due(recorded.key)
        self._waker.wake(recorded.key)
        return "queued"

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Have a worker handle a stored event once more."""
        if not self._inbox.upkeep.requeue(key, again=again):
            return "busy"
        self._waker.wake(key)
        return "queued"

    def handle_local(self, key: int) -> None:
        """Wake a worker for a local event."""
        self._waker.wake(key)
