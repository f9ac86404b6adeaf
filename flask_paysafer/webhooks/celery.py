"""Tell workers that there is work, in bounded time, and shrug if the broker is down."""

from __future__ import annotations

import logging
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from celery import Celery
from flask import Flask
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

from ..events import Event
from ..inbox.records import Recorded
from ..inbox.store import Inbox
from .runner import Backlog, DispatchResult, EventRun

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

    def publish(self, key: int) -> bool:
        """Tell a worker of the row ``key``; False if nobody could be told."""
        if self._clock() < self._quiet_until:
            return False
        celery: Celery | None = self._app.extensions.get("celery")
        if celery is None:
            logger.error(
                'app.extensions["celery"] is not set: events are stored and wait. Put your Celery '
                "there, as Flask's documentation on Celery shows."
            )
            return False
        message = {"args": (key,), "kwargs": self._keywords, "ignore_result": True}
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


# What a worker does when it is told that there is work: all of it that is due.


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


# Hand stored events to the workers.


class CeleryDispatcher:
    """Answers at once: the event is stored, and a worker is told."""

    def __init__(self, run: EventRun, inbox: Inbox, publisher: Publisher) -> None:
        self._run = run
        self._inbox = inbox
        self._publisher = publisher

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""
        return self._run.jobs.wants(event.type)

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Tell a worker of the event. With the broker down the next sweep does.

        An event that comes again although it was answered was sent again by hand: if
        its attempts are used up, it gets new ones.
        """
        if recorded.is_new:
            self._run.announce(event)
        elif recorded.state in ("done", "quarantined"):
            return "done"
        elif recorded.state != "processing":
            self._inbox.claims.make_due(recorded.key)
        self._publisher.publish(recorded.key)
        return "queued"

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Have a worker handle a stored event once more."""
        if not self._inbox.upkeep.requeue(key, again=again):
            return "busy"
        self._publisher.publish(key)
        return "queued"

    def handle_local(self, key: int) -> None:
        """Tell a worker of a local event."""
        self._publisher.publish(key)
