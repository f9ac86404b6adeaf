from __future__ import annotations

from flask_paysafer.sandbox.clock import VirtualClock


class Ticks:
    """Real seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.seconds = 5.0

    def __call__(self) -> float:
        return self.seconds


def test_runs_at_wall_speed() -> None:
    ticks = Ticks()
    clock = VirtualClock(start=1000, tick=ticks)
    ticks.seconds += 3
    assert clock.now() == 1003


def test_runs_at_a_multiple_of_it() -> None:
    ticks = Ticks()
    clock = VirtualClock(start=1000, rate=60, tick=ticks)
    ticks.seconds += 2
    assert clock.now() == 1120
    assert clock.real_seconds_until(1180) == 1


def test_stands_still_until_moved() -> None:
    ticks = Ticks()
    clock = VirtualClock(start=1000, rate=0, tick=ticks)
    ticks.seconds += 2
    assert clock.now() == 1000
    assert clock.real_seconds_until(1001) is None
    clock.move_to(1001)
    assert clock.real_seconds_until(1001) == 0


def test_changes_its_rate_without_a_jump() -> None:
    ticks = Ticks()
    clock = VirtualClock(start=1000, tick=ticks)
    ticks.seconds += 2
    clock.run_at(10)
    ticks.seconds += 2
    assert clock.now() == 1022


def test_never_goes_back() -> None:
    clock = VirtualClock(start=1000, tick=Ticks())
    clock.move_to(900)
    assert clock.now() == 1000
