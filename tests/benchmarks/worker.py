"""The Celery app of the backlog's worker: the tests' shop, and tasks that do nothing."""

from __future__ import annotations

import time
from pathlib import Path

from tests.tasks.worker_shop import _celery

celery_app = _celery()


@celery_app.task(name="bench.nothing")  # type: ignore[untyped-decorator]  # as Celery is
def nothing(_: int) -> None:
    """Do nothing."""


@celery_app.task(name="bench.mark")  # type: ignore[untyped-decorator]  # as Celery is
def mark(file: str) -> None:
    """Write down the time at which a worker came to this message."""
    Path(f"{file}.new").write_text(repr(time.time()), encoding="utf-8")
    Path(f"{file}.new").rename(file)
