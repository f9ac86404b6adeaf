from __future__ import annotations

import logging

import pytest

from flask_paysafer.client import Attempt, AttemptRecord

from .driving import LOST, OK, World, answer, create, payment, refusal, retrieve


class Both:
    """A hook that is told of both ends."""

    def __init__(self) -> None:
        self.told: list[Attempt | AttemptRecord] = []

    def before(self, attempt: Attempt) -> None:
        self.told.append(attempt)

    def after(self, record: AttemptRecord) -> None:
        self.told.append(record)


def test_a_callable_gets_one_record_for_each_attempt() -> None:
    records: list[AttemptRecord] = []
    world = World(hooks=[records.append])
    last = answer(200, payment(), x_request_id="req_3")
    world.drive(create(), LOST, refusal(503), last, takes={0: 1.5, 1: 0.5, 2: 0.25})
    assert records == [
        AttemptRecord("POST", "/payments", "/payments", 1, None, "ReadError", 1.5, None),
        AttemptRecord("POST", "/payments", "/payments", 2, 503, None, 0.5, None),
        AttemptRecord("POST", "/payments", "/payments", 3, 200, None, 0.25, "req_3"),
    ]


def test_a_hook_can_be_told_of_both_ends() -> None:
    hook = Both()
    World(hooks=[hook]).drive(retrieve(), LOST, OK)
    assert [(type(one).__name__, one.attempt) for one in hook.told] == [
        ("Attempt", 1),
        ("AttemptRecord", 1),
        ("Attempt", 2),
        ("AttemptRecord", 2),
    ]
    assert hook.told[0] == Attempt("GET", "/payments/pay_1", "/payments/{id}", 1)


def test_hooks_get_no_personal_data_that_stands_in_a_path() -> None:
    hook = Both()
    world = World(hooks=[hook])
    world.drive(retrieve("a@example.com"), answer(200, payment(id="a@example.com")))
    assert [one.path for one in hook.told] == ["[e-mail]"] * 2


def test_a_hook_that_raises_changes_nothing_and_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken:
        def before(self, attempt: Attempt) -> None:
            raise RuntimeError("before is broken")

        def after(self, record: AttemptRecord) -> None:
            raise RuntimeError("after is broken")

    records: list[AttemptRecord] = []
    World(hooks=[Broken(), records.append]).drive(create(), OK)
    assert len(records) == 1
    assert caplog.text.count("A hook of the PaySafer client raised; the call goes on.") == 2


@pytest.mark.parametrize(
    ("reply", "level", "words"),
    [
        (OK, logging.DEBUG, "POST /payments: 200 in 0.500 s (attempt 1, request id None)"),
        (
            LOST,
            logging.WARNING,
            "POST /payments: ReadError in 0.500 s (attempt 1, request id None)",
        ),
        (
            refusal(500, x_request_id="req_1"),
            logging.WARNING,
            "POST /payments: 500 in 0.500 s (attempt 1, request id req_1)",
        ),
        (
            refusal(429),
            logging.WARNING,
            "POST /payments: 429 in 0.500 s (attempt 1, request id None)",
        ),
        (
            refusal(402),
            logging.INFO,
            "POST /payments: 402 in 0.500 s (attempt 1, request id None)",
        ),
    ],
)
def test_the_log_tells_status_time_and_request_id(
    caplog: pytest.LogCaptureFixture, reply: object, level: int, words: str
) -> None:
    caplog.set_level(logging.DEBUG, "flask_paysafer.client")
    world = World()
    steps = world.settings(max_retries=0).begin(create())
    next(steps)
    world.now += 0.5
    with pytest.raises(Exception):  # noqa: B017 (StopIteration or the reply's error)
        steps.send(reply)  # type: ignore[arg-type]  # all of them are replies
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (level, words)
