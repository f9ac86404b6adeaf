"""How much a worker takes at a time, and how patient a publisher is."""

from __future__ import annotations

import os
from threading import Event as Flag
from typing import Any

import pytest
from flask import Flask

import flask_paysafer.tasks  # noqa: F401  (registers the tasks)
from flask_paysafer.webhooks.celery import LARGEST_BATCH, QUIET, TURN, Publisher, SharedStop, Worker

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

    def handle_batch(self, at_most: int, stop: Flag) -> list[tuple[int, str]]:
        """Take the next ones."""
        taken, self._waiting = self._waiting[:at_most], self._waiting[at_most:]
        self._clock.now += len(taken) * self._seconds
        if taken:
            self.batches.append(len(taken))
        return [(key, "done") for key in taken]


class NotingWaker:
    """Notes in their order what is sent and what has arrived."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def wake(self, key: int) -> None:
        """Note it."""
        self.said.append("sent")

    def arrived(self) -> None:
        """Note it."""
        self.said.append("arrived")


def worker_of(
    waiting: int, seconds: float, stop: Flag | None = None
) -> tuple[Worker, PretendBacklog, NotingWaker]:
    """Return a worker, what waits for it, and what it says to other workers."""
    clock = Clock()
    backlog: Any = PretendBacklog(clock, waiting, seconds)
    waker: Any = NotingWaker()
    return Worker(backlog, waker, stop=stop or Flag(), clock=clock), backlog, waker


def test_quick_events_are_taken_by_the_batch() -> None:
    worker, backlog, _ = worker_of(200, 0.001)

    assert worker.work(0) == 200
    assert backlog.batches == [1, LARGEST_BATCH, LARGEST_BATCH, LARGEST_BATCH, 49]


def test_slow_events_are_taken_one_by_one_so_that_others_share_them() -> None:
    worker, backlog, _ = worker_of(5, 2.0)

    assert worker.work(0) == 5
    assert backlog.batches == [1, 1, 1, 1, 1]


def test_worker_turns_to_other_messages_in_time_and_has_the_rest_found() -> None:
    worker, _, waker = worker_of(1000, 1.0)

    assert worker.work(0) == int(TURN) + 1
    assert waker.said == ["arrived", "sent"]


def test_full_batch_wakes_another_worker() -> None:
    worker, _, waker = worker_of(1 + LARGEST_BATCH + 1, 0.001)

    worker.work(0)

    assert waker.said == ["arrived", "sent"]


def test_message_without_work_sends_none() -> None:
    worker, _, waker = worker_of(0, 0.001)

    assert worker.work(0) == 0
    assert waker.said == ["arrived"]


def test_worker_that_is_to_stop_takes_nothing_and_wakes_another() -> None:
    stop = Flag()
    stop.set()
    worker, backlog, waker = worker_of(5, 0.001, stop)

    assert worker.work(0) == 0
    assert backlog.batches == []
    assert waker.said == ["arrived", "sent"]


def test_stop_is_seen_by_the_processes_that_were_forked_before() -> None:
    stop = SharedStop()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        os._exit(int(stop.is_set()))
    stop.set()
    os.write(write, b".")
    _, status = os.waitpid(child, 0)
    os.close(read)
    os.close(write)

    assert os.waitstatus_to_exitcode(status) == 1
    stop.clear()
    assert not stop.is_set()


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
