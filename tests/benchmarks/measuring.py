"""Measure several contenders turn by turn: A B A B …"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

Prepared = TypeVar("Prepared")

Measure = Callable[[], float]
"""Makes one measurement and returns its figure."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to look."""

    rounds: int
    """Measurements of each contender."""
    seconds: float
    """About how long one measurement of a repeated operation takes."""
    is_quick: bool


FULL = Effort(rounds=31, seconds=0.1, is_quick=False)
QUICK = Effort(rounds=9, seconds=0.03, is_quick=True)


def interleave(contenders: Mapping[str, Measure], rounds: int) -> dict[str, list[float]]:
    """Return ``rounds`` figures of each contender, taken in turn after one round for practice."""
    for measure in contenders.values():
        measure()
    gc.collect()
    gc.freeze()  # what the peers have loaded is no concern of the one that is measured
    series: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            series[name].append(measure())
    gc.unfreeze()
    return series


def repeated(
    operation: Callable[[], object],
    effort: Effort,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Measure:
    """Return a measurement of ``operation``: seconds per call, over as many as the effort asks."""
    operation()  # what it loads at first would pass for its cost, and end the count at one
    times = _times_within(effort.seconds, operation, clock)
    return lambda: _seconds_per_call(operation, times, clock)


def _times_within(
    seconds: float, operation: Callable[[], object], clock: Callable[[], float]
) -> int:
    times = 1
    while (taken := _seconds_per_call(operation, times, clock) * times) < seconds / 2:
        times *= 2 if taken <= 0 else max(2, min(10, int(seconds / 2 / taken)))
    return times


def _seconds_per_call(
    operation: Callable[[], object], times: int, clock: Callable[[], float]
) -> float:
    before = clock()
    for _ in range(times):
        operation()
    return (clock() - before) / times


def batched(
    prepare: Callable[[], Prepared],
    operation: Callable[[Prepared], object],
    times: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
) -> Measure:
    """Return a measurement of ``operation`` on what ``prepare`` made ``times`` before, untimed."""

    def measure() -> float:
        ready = [prepare() for _ in range(times)]
        before = clock()
        for one in ready:
            operation(one)
        return (clock() - before) / times

    return measure
