"""Tell workers that there is work, in bounded time, and shrug if the broker is down."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

logger = logging.getLogger(__name__)

TIMEOUT = 2.0
"""Seconds that any one step with the broker may take."""

QUIET = 5.0
"""Seconds for which nothing is published after the broker failed: the sweep finds it all."""

FIRST_ACCOUNT = "paysafer"
"""The account that a message without one is for."""

HANDLE = "flask_paysafer.handle"
SWEEP = "flask_paysafer.sweep"

_BOUNDS = {
    "socket_timeout": TIMEOUT,
    "socket_connect_timeout": TIMEOUT,
    "read_timeout": TIMEOUT,
    "write_timeout": TIMEOUT,
}
_ONE_RETRY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}


class Publisher:
    """Sends the messages of one account.

    :param get_celery: Returns ``app.extensions["celery"]``, which may be set late;
        None while it is not.
    """

    def __init__(
        self,
        get_celery: Callable[[], Celery | None],
        *,
        account: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._get_celery = get_celery
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
        celery = self._get_celery()
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
