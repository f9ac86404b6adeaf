from __future__ import annotations

from collections.abc import Callable

from .measuring import Effort, Measure, batched, interleave, repeated


def noting(name: str, seen: list[str]) -> Measure:
    def measure() -> float:
        seen.append(name)
        return float(len(seen))

    return measure


def ticking(step: float) -> Callable[[], float]:
    """Return a clock that is ``step`` further at every look."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += step
        return now

    return clock


def test_contenders_take_turns_after_one_round_for_practice() -> None:
    seen: list[str] = []
    series = interleave({"a": noting("a", seen), "b": noting("b", seen)}, rounds=2)
    assert "".join(seen) == "ababab"
    assert series == {"a": [3.0, 5.0], "b": [4.0, 6.0]}


def test_an_operation_is_repeated_until_a_measurement_is_long_enough() -> None:
    calls: list[None] = []
    now = 0.0

    def work() -> None:
        nonlocal now
        calls.append(None)
        now += 0.001

    measure = repeated(work, Effort(1, 0.1, is_quick=True), clock=lambda: now)
    calls.clear()
    assert round(measure(), 9) == 0.001
    assert len(calls) >= 50


def test_an_operation_that_is_slow_alone_is_called_once() -> None:
    calls: list[None] = []
    measure = repeated(
        lambda: calls.append(None), Effort(1, 0.1, is_quick=True), clock=ticking(1.0)
    )
    calls.clear()
    assert measure() == 1.0
    assert len(calls) == 1


def test_what_a_batch_needs_is_made_before_the_clock_starts() -> None:
    seen: list[str] = []

    def clock() -> float:
        seen.append("clock")
        return float(len(seen))

    def prepare() -> str:
        seen.append("made")
        return "one"

    measure = batched(prepare, seen.append, 2, clock=clock)
    assert measure() == 1.5
    assert seen == ["made", "made", "clock", "one", "one", "clock"]


def test_what_an_operation_loads_at_first_is_not_measured() -> None:
    calls: list[None] = []
    now = 0.0

    def work() -> None:
        nonlocal now
        now += 0.001 if calls else 1.0
        calls.append(None)

    measure = repeated(work, Effort(1, 0.1, is_quick=True), clock=lambda: now)
    calls_before = len(calls)
    assert round(measure(), 9) == 0.001
    assert len(calls) - calls_before >= 50
