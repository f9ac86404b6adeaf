"""What one worker process makes of a backlog, in events and in empty tasks per second.

The messages lie in the queue before the worker may take them; one before and one behind
them write down the time, in the worker itself. Events are counted until the last of them
is done; and once more until the worker has also been through the messages that came too
late to be of use.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from celery import Celery
from flask import Flask
from sqlalchemy import func, select

from flask_paysafer.events import Event
from flask_paysafer.state import get_state
from tests.tasks import worker_shop

from . import bodies
from .findings import Finding, Goal
from .measuring import Effort, interleave
from .places import postgresql
from .queued import broker, own_queue

HANDLE = "flask_paysafer.handle"
_PATIENCE = 120.0

Message = tuple[str, tuple[Any, ...]]
_NOTHING: Message = ("bench.nothing", (0,))


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding."""
    messages, rounds = (300, 5) if effort.is_quick else (1000, 11)
    with ExitStack() as stack:
        celery = stack.enter_context(own_queue())
        app = stack.enter_context(_shop(celery))
        worker = _Worker(celery, Path(os.environ["SHOP_FOLDER"]))
        drained: list[float] = []

        def ours() -> float:
            span = worker.work(_events(app, messages))
            drained.append(messages / (span.last - span.first))
            return messages / (_last_done(app) - span.first)

        def empty() -> float:
            span = worker.work([_NOTHING] * messages)
            return messages / (span.last - span.first)

        series = interleave({"ours": ours, "empty": empty}, rounds)
    against = "empty Celery tasks, one message each, same worker"
    yield Finding(
        "Celery backlog, one worker process: events done, a row each",
        against,
        Goal(1.2, at_least=True),
        series["ours"],
        series["empty"],
        "per second",
    )
    yield Finding(
        "the same, until every message is used up",
        against,
        None,
        drained[-rounds:],
        series["empty"],
        "per second",
    )


def _last_done(app: Flask) -> float:
    database = get_state(app).inbox.database
    with app.app_context(), database.connected() as connection:
        latest: int = connection.execute(
            select(func.max(database.tables.event.c.finished_at))
        ).scalar_one()
    return latest / 1000


def _events(app: Flask, count: int) -> list[Message]:
    """Store new events, and return the messages that the webhook route sends for them."""
    inbox = get_state(app).inbox
    messages: list[Message] = []
    with app.app_context():
        for _ in range(count):
            body = bodies.fresh()
            recorded = inbox.record(Event.from_json(body), body, verified_with=None)
            if inbox.wakeups.send(lost_after=_PATIENCE):
                messages.append((HANDLE, (recorded.key,)))
    return messages


class Span(NamedTuple):
    """When the worker came to the first and to the last message, in unix seconds."""

    first: float
    last: float


class _Worker:
    """Gives the worker messages and times it."""

    def __init__(self, celery: Celery, folder: Path) -> None:
        self._celery = celery
        self._folder = folder
        self._queue = celery.conf.task_default_queue

    def work(self, messages: list[Message]) -> Span:
        """Queue ``messages`` while nobody takes any, then have them worked off."""
        first, last = (str(self._folder / secrets.token_hex(8)) for _ in range(2))
        self._ask(self._celery.control.cancel_consumer)
        # Redis has promised the worker one message more, which it then puts back anywhere.
        framed = [_NOTHING, ("bench.mark", (first,)), *messages, ("bench.mark", (last,))]
        with self._celery.producer_pool.acquire(block=True) as producer:
            for task, arguments in framed:
                self._celery.send_task(task, arguments, producer=producer, ignore_result=True)
        self._ask(self._celery.control.add_consumer)
        return Span(last=_read(last), first=_read(first))

    def _ask(self, command: Callable[..., Any]) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not command(self._queue, reply=True, timeout=2, limit=1):
            if time.monotonic() > deadline:
                raise AssertionError("the worker does not answer")


def _read(file: str) -> float:
    deadline = time.monotonic() + _PATIENCE
    while not Path(file).exists():
        if time.monotonic() > deadline:
            raise AssertionError("the worker did not come to the last message")
        time.sleep(0.01)
    return float(Path(file).read_text(encoding="utf-8"))


@contextmanager
def _shop(celery: Celery) -> Iterator[Flask]:
    """Give the shop whose worker runs beside it, in a process of its own."""
    with postgresql() as url, tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "SHOP_DATABASE": url,
            "SHOP_BROKER": broker(),
            "SHOP_QUEUE": celery.conf.task_default_queue,
            "SHOP_FOLDER": folder,
        }
        app = worker_shop.create_app()
        app.extensions["celery"].set_default()
        with app.app_context():
            worker_shop.db.create_all()
        with _process():
            yield app
        with app.app_context():
            worker_shop.db.engine.dispose()


@contextmanager
def _process() -> Iterator[None]:
    command = [
        *(sys.executable, "-m", "celery", "-A", f"{__package__}.worker:celery_app", "worker"),
        *("-c", "1", "-l", "ERROR", "--without-gossip", "--without-mingle"),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            yield
        finally:
            worker.terminate()
