from __future__ import annotations

import pytest

from flask_paysafer import errors

from .driving import LOST, NOON, OK, TIMED_OUT, World, create, refusal, retrieve


def test_waits_as_long_as_it_is_asked_to() -> None:
    world = World(chance=0.0)
    world.drive(create(), refusal(503, retry_after="7"), OK)
    assert world.sleeps == [7.0]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("Tue, 14 Nov 2023 22:13:27 GMT", 7.0),
        ("Tuesday, 14-Nov-23 22:13:27 GMT", 7.0),
        ("Tue Nov 14 22:13:27 2023", 7.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float) -> None:
    world = World()
    world.drive(create(), refusal(503, retry_after=value), OK)
    assert world.sleeps == [seconds]


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "1e3", "٣", "Tue, 99 Nov 2023 22:13"])
def test_a_retry_after_that_says_nothing_is_passed_over(value: str) -> None:
    world = World()
    world.drive(create(), refusal(503, retry_after=value), OK)
    assert world.sleeps == [0.25]


@pytest.mark.parametrize("value", ["", "soon", "-5", "0", "1e3", str(int(NOON) - 5), "9" * 13])
def test_a_reset_that_says_nothing_is_passed_over(value: str) -> None:
    world = World()
    world.drive(create(), refusal(429, x_ratelimit_reset=value), OK)
    assert world.sleeps == [0.25]


def test_a_retry_after_of_centuries_does_not_fit() -> None:
    assert World().fail(create(), refusal(503, retry_after="9" * 15)).attempts == 1


def test_retry_after_wins_over_the_reset() -> None:
    world = World(chance=0.0)
    world.drive(create(), refusal(429, retry_after="3", x_ratelimit_reset="9"), OK)
    assert world.sleeps == [3.0]


@pytest.mark.parametrize(("reset", "seconds"), [("9", 9.0), ("1", 1.0), (str(int(NOON) + 9), 9.0)])
def test_a_rate_limit_waits_for_the_reset(reset: str, seconds: float) -> None:
    world = World(chance=0.0)
    world.drive(create(), refusal(429, x_ratelimit_reset=reset), OK)
    assert world.sleeps == [seconds]


def test_the_reset_says_nothing_on_other_answers() -> None:
    world = World()
    world.drive(create(), refusal(500, x_ratelimit_reset="9"), OK)
    assert world.sleeps == [0.25]


def test_processes_that_wait_for_one_reset_come_back_apart() -> None:
    waits = set()
    for chance in (0.0, 0.4, 0.9):
        world = World(chance=chance)
        world.drive(create(), refusal(429, x_ratelimit_reset="9"), OK)
        waits.add(world.sleeps[0])
    assert len(waits) == 3
    assert min(waits) == 9.0


def test_chance_does_not_push_a_wait_beyond_the_deadline() -> None:
    world = World(chance=0.99)
    world.drive(create(), refusal(429, retry_after="20"), OK, deadline=20.1)
    assert 20.0 < world.sleeps[0] < 20.1


def test_backs_off_longer_each_time_and_by_chance_over_the_whole_range() -> None:
    world = World(chance=0.999)
    world.fail(retrieve(), *[LOST] * 8, max_retries=7, deadline=100.0)
    assert world.sleeps == pytest.approx([0.5, 1, 2, 4, 8, 8, 8], rel=0.01)
    world = World(chance=0.0)
    world.fail(retrieve(), LOST, LOST, max_retries=1)
    assert world.sleeps == [0.0]


def test_raises_at_once_when_the_wait_does_not_fit_the_deadline() -> None:
    world = World()
    error = world.fail(create(), refusal(429, retry_after="30"))
    assert (world.sleeps, error.attempts, error.retry_after) == ([], 1, 30.0)


def test_an_attempt_may_take_its_timeout_but_never_beyond_the_deadline() -> None:
    world = World(chance=0.0)
    world.fail(create(), *[TIMED_OUT] * 3, takes={0: 10.0, 1: 10.0, 2: 5.0})
    assert [send.expires for send in world.sends] == [1010.0, 1020.0, 1025.0]


def test_no_attempt_begins_after_the_deadline() -> None:
    world = World(chance=0.0)
    error = world.fail(create(), TIMED_OUT, takes={0: 26.0})
    assert (type(error), error.attempts) == (errors.APITimeoutError, 1)


def test_a_sleep_that_lasted_too_long_ends_the_call_with_what_it_met() -> None:
    world = World(chance=0.99)
    steps = world.settings(deadline=1.0).begin(create())
    next(steps)
    steps.send(refusal(503))
    world.now += 5.0
    with pytest.raises(errors.ServerError):
        steps.send(None)


def test_a_call_s_own_options_win_over_the_client_s() -> None:
    world = World()
    operation = create(timeout=1.5, deadline=2.0, max_retries=0, headers={"X-Trace": "t1"})
    world.fail(operation, LOST)
    assert world.sends[0].expires == 1001.5
    assert world.headers()["X-Trace"] == "t1"
