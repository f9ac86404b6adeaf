"""The acknowledgement of an event that Celery will handle: store it, tell a worker, answer."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from celery import Celery
from flask import Flask, request
from kombu.exceptions import OperationalError

from .findings import Finding, Goal, Unavailable
from .measuring import Effort, batched, interleave
from .places import postgresql
from .shops import PATH, Door, HandWrittenRows, delivery, with_the_extension
from .verification import check_by_hand

BROKER = "PAYSAFER_TEST_REDIS_URL"
_DEFAULT = "redis://127.0.0.1:6379/15"
BATCH = 20


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding."""
    with ExitStack() as stack:
        celery = stack.enter_context(own_queue())
        ours = Door(_ours(stack.enter_context(postgresql()), celery))
        theirs = Door(_by_hand(stack.enter_context(postgresql()), celery))
        series = interleave(
            {
                "ours": batched(delivery, ours.send_well, BATCH),
                "by hand": batched(delivery, theirs.send_well, BATCH),
            },
            effort.rounds,
        )
    yield Finding(
        "queued acknowledgement, PostgreSQL, Redis",
        "hand-written view: one Core insert, one publish",
        Goal(1.15),
        series["ours"],
        series["by hand"],
    )


def broker() -> str:
    """Return the broker's address."""
    return os.environ.get(BROKER) or _DEFAULT


@contextmanager
def own_queue() -> Iterator[Celery]:
    """Give a Celery app on a queue that is emptied afterwards.

    :raises Unavailable: if no broker answers.
    """
    celery = Celery("bench", broker=broker(), set_as_current=False)
    celery.conf.update(
        task_default_queue=f"paysafer_bench_{secrets.token_hex(6)}", task_ignore_result=True
    )
    celery.task(_nothing, name="bench.nothing")
    try:
        celery.control.purge()
    except (OperationalError, OSError):
        raise Unavailable(f"no broker answers at {BROKER}") from None
    try:
        yield celery
    finally:
        celery.control.purge()
        celery.close()


def _nothing(_: object) -> None:
    """Do nothing."""


def _ours(url: str, celery: Celery) -> Flask:
    extensions = {"celery": celery}
    return with_the_extension(url, _nothing, extensions=extensions, PAYSAFER_DISPATCH="celery")


def _by_hand(url: str, celery: Celery) -> Flask:
    app = Flask("by_hand")
    rows = HandWrittenRows(url)
    notify = celery.tasks["bench.nothing"]

    @app.post(PATH)
    def webhook() -> Any:
        body = request.get_data()
        check_by_hand(body, request.headers["PaySafer-Signature"])
        happened = json.loads(body)
        with rows.engine.begin() as connection:
            key = rows.add(connection, happened, body)
        notify.delay(key)
        return {"received": True}

    return app
