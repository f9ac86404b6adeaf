"""How much a worker takes at a time, and how patient a publisher is."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

import flask_paysafer.tasks  # noqa: F401  (registers the tasks)
from flask_paysafer.webhooks.celery import LARGEST_BATCH, QUIET, TURN, Publisher, Worker

from .shops import make_celery


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


class PretendBacklog:
    """A backlog of events that take a while each."""

    def __init__(self, clock: Clock, waiting: int, seconds: float) -> None:
        self.batches: list[int] = []
        self._clock = clock
        self._waiting = list(range(waiting))
        self._seconds = seconds

    def handle_lapsed(self) -> None:
        """Nobody died."""

    def handle_batch(self, at_most: int) -> list[tuple[int, str]]:
        """Take the next ones."""
        taken, self._waiting = self._waiting[:at_most], self._waiting[at_most:]
        self._clock.now += len(taken) * self._seconds
        if taken:
            self.batches.append(len(taken))
        return [(key, "done") for key in taken]


def worker_of(waiting: int, seconds: float) -> tuple[Worker, PretendBacklog]:
    """Return a worker and what waits for it."""
    clock = Clock()
    backlog: Any = PretendBacklog(clock, waiting, seconds)
    return Worker(backlog, clock=clock), backlog


def test_quick_events_are_taken_by_the_batch() -> None:
    worker, backlog = worker_of(200, 0.001)

    assert worker.work(0) == 200
    assert backlog.batches == [1, LARGEST_BATCH, LARGEST_BATCH, LARGEST_BATCH, 49]


def test_slow_events_are_taken_one_by_one_so_that_others_share_them() -> None:
    worker, backlog = worker_of(5, 2.0)

    assert worker.work(0) == 5
    assert backlog.batches == [1, 1, 1, 1, 1]


def test_worker_turns_to_other_messages_in_time() -> None:
    worker, _ = worker_of(1000, 1.0)

    assert worker.work(0) == int(TURN) + 1


def test_message_of_a_finished_event_is_passed_over_once() -> None:
    worker, backlog = worker_of(3, 0.001)
    worker.work(0)
    asked = len(backlog.batches)

    assert worker.work(2) == 0
    assert len(backlog.batches) == asked


def test_broker_that_failed_is_left_alone_for_a_while(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    app = Flask("shop")
    app.extensions["celery"] = make_celery("amqp://guest:guest@127.0.0.1:9//")
    publisher = Publisher(app, account="paysafer", clock=clock)

    def tried(key: int) -> bool:
        caplog.clear()
        assert not publisher.publish(key)
        return "The broker can't be reached" in caplog.text

    assert tried(1)
    assert not tried(2)
    clock.now += QUIET
    assert tried(3)
