"""Bars of events over time, as numbers that an SVG template draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..inbox.queries import Bucket

WIDTH, HEIGHT = 960, 160
_GAP = 2
_GROUPS = {
    "failed": ("failed", "quarantined"),
    "pending": ("pending", "processing"),
    "handled": ("done", "ignored"),
}


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured piece of a bar."""

    kind: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """What came in during one span of time."""

    x: float
    width: float
    label: str
    received: int
    figures: dict[str, int]
    parts: list[Part]


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything the template draws."""

    bars: list[Bar]
    top: int
    """What the full height stands for."""
    totals: dict[str, int]

    @property
    def received(self) -> int:
        """How many events came in altogether."""
        return sum(self.totals.values())


def draw(buckets: Sequence[Bucket]) -> Chart:
    """Return the chart of ``buckets``."""
    figures = [_figures(bucket) for bucket in buckets]
    top = max((sum(one.values()) for one in figures), default=0)
    width = WIDTH / max(1, len(buckets))
    bars = [
        Bar(
            x=round(number * width, 2),
            width=round(width - _GAP, 2),
            label=_moment(bucket.begins_at),
            received=sum(one.values()),
            figures=one,
            parts=_parts(one, top),
        )
        for number, (bucket, one) in enumerate(zip(buckets, figures, strict=True))
    ]
    totals = {kind: sum(one[kind] for one in figures) for kind in _GROUPS}
    return Chart(bars, top, totals)


def _figures(bucket: Bucket) -> dict[str, int]:
    return {
        kind: sum(bucket.counts.get(state, 0) for state in states)  # type: ignore[call-overload]
        for kind, states in _GROUPS.items()
    }


def _parts(figures: dict[str, int], top: int) -> list[Part]:
    parts, y = [], float(HEIGHT)
    for kind, count in figures.items():
        if count:
            height = max(2.0, HEIGHT * count / top)
            y -= height
            parts.append(Part(kind, round(y, 2), round(height, 2)))
    return parts


def _moment(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%d %b %H:%M")
