"""What was measured: two series of figures, the goal they are held to, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

Unit = Literal["seconds", "per second", "MB"]


class Unavailable(Exception):  # noqa: N818 (a reason to skip, no error)
    """This path can't be measured here; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What the ratio of ours to theirs has to be."""

    limit: float
    at_least: bool = False

    def is_met_by(self, ratio: float) -> bool:
        """Whether ``ratio`` is within the goal."""
        return ratio >= self.limit if self.at_least else ratio <= self.limit

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.limit:g}"


class Spread(NamedTuple):
    """A series in three figures."""

    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, series: Sequence[float]) -> Spread:
        """Return the median, the least and the greatest of ``series``."""
        return cls(median(series), min(series), max(series))


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison. ``ours[n]`` and ``theirs[n]`` were measured one right after the other."""

    subject: str
    """What of this package was measured."""
    against: str
    """What it was measured against."""
    goal: Goal | None
    """None: only good to know."""
    ours: Sequence[float]
    theirs: Sequence[float]
    unit: Unit = "seconds"

    @property
    def ratios(self) -> Spread:
        """Ours to theirs, pair by pair: what slowed a pair down slowed both its sides."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return Spread.of([own / other for own, other in pairs])

    @property
    def is_met(self) -> bool:
        """Whether the median of the pairs' ratios is within the goal, if there is one."""
        return self.goal is None or self.goal.is_met_by(self.ratios.median)
