from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer import errors
from flask_paysafer.client import PaySaferClient

from .driving import OK, World, answer, create, payment, planned, retrieve


def full(remaining: int, *, limit: int = 100, reset: str = "20") -> Any:
    return answer(
        200,
        payment(),
        x_ratelimit_limit=str(limit),
        x_ratelimit_remaining=str(remaining),
        x_ratelimit_reset=reset,
    )


def test_without_a_pace_a_spent_budget_holds_nobody_back() -> None:
    world = World()
    world.drive(retrieve(), full(0))
    world.drive(retrieve(), OK)
    assert world.sleeps == []


def test_a_pace_waits_for_the_reset_when_the_budget_is_spent() -> None:
    world = World(reserve=0.1, chance=0.0)
    world.drive(retrieve(), full(0))
    world.drive(create(), OK)
    assert world.sleeps == [20.0]


def test_a_pace_keeps_the_reserve_for_calls_that_a_buyer_waits_for() -> None:
    customers = planned.customers.retrieve("pay_1")
    world = World(reserve=0.1, chance=0.0)
    world.drive(customers, full(10))
    world.drive(create(), full(10))
    assert world.sleeps == []
    world.drive(customers, OK)
    assert world.sleeps == [20.0]


def test_a_pace_counts_requests_whose_answers_are_still_to_come() -> None:
    world = World(reserve=0.0, chance=0.0)
    world.drive(retrieve(), full(2))
    first, second = world.settings().begin(retrieve()), world.settings().begin(retrieve())
    next(first)
    next(second)
    world.drive(retrieve(), OK)
    assert world.sleeps == [20.0]


def test_a_pace_whose_wait_does_not_fit_the_deadline_raises_at_once() -> None:
    world = World(reserve=0.1)
    world.drive(retrieve(), full(0, reset="60"))
    error = world.fail(create())
    assert (type(error), error.outcome, error.attempts) == (errors.RateLimitError, "not_sent", 0)
    assert error.retry_after == pytest.approx(62.5)


def test_waiting_processes_come_back_apart_after_the_reset() -> None:
    waits = []
    for chance in (0.0, 0.5, 0.9):
        world = World(reserve=0.1, chance=chance)
        world.drive(retrieve(), full(0, reset="10"))
        world.drive(create(), OK)
        waits += world.sleeps
    assert waits == [10.0, 12.5, 14.5]


def test_a_pace_may_keep_nothing_in_reserve() -> None:
    assert PaySaferClient(rate_reserve=0)._settings.environment.budget.reserve == 0.0


@pytest.mark.parametrize(
    "headers",
    [
        {"x_ratelimit_limit": "100"},
        {"x_ratelimit_limit": "many", "x_ratelimit_remaining": "0"},
        {"x_ratelimit_limit": "-1", "x_ratelimit_remaining": "0"},
        {"x_ratelimit_limit": "٣", "x_ratelimit_remaining": "0"},
        {"x_ratelimit_limit": "9" * 10, "x_ratelimit_remaining": "0"},
        {"x_ratelimit_limit": "5", "x_ratelimit_remaining": ""},
    ],
)
def test_headers_that_say_nothing_leave_the_budget_as_it_was(headers: dict[str, str]) -> None:
    world = World()
    world.drive(retrieve(), full(7))
    before = world.environment.budget.rate_limit
    world.drive(retrieve(), answer(200, payment(), **headers))
    assert before is not None
    after = world.environment.budget.rate_limit
    assert after is not None
    assert (after.limit, after.reset_at) == (before.limit, before.reset_at)


def test_a_budget_without_a_reset_has_no_moment() -> None:
    world = World(reserve=0.1)
    world.drive(retrieve(), full(0, reset="soon"))
    limit = world.environment.budget.rate_limit
    assert limit is not None
    assert limit.reset_at is None
    world.drive(retrieve(), OK)
    assert world.sleeps == []


def test_a_reset_that_has_passed_holds_nobody_back() -> None:
    world = World(reserve=0.1)
    world.drive(retrieve(), full(0, reset="5"))
    world.now += 5.0
    world.drive(retrieve(), OK)
    assert world.sleeps == []
