"""An exam's result, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from .cases import Grade
from .causes import Finding

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}


class Table:
    """The rows of an exam, printed as the grades come in."""

    def __init__(self) -> None:
        self._told: set[Finding] = set()

    def head(self, url: str) -> str:
        """Return what stands above the rows."""
        row = f"{'':5} {'case':<18} {'answered':<24} what was sent"
        return f"Examining {url}\n\n{click.style(row, bold=True)}"

    def row(self, grade: Grade) -> str:
        """Return a case's row, with cause and cure below it the first time they are met."""
        mark = click.style(f"{grade.outcome:<5}", fg=_COLOURS[grade.outcome], bold=True)
        row = f"{mark} {grade.case.name:<18} {_shortened(grade.answered):<24} {grade.case.story}"
        return "\n".join([row, *(f"{'':6}{note}" for note in self._notes(grade.finding))])

    def _notes(self, finding: Finding | None) -> list[str]:
        if finding is None or finding in self._told:
            return []
        self._told.add(finding)
        return [finding.cause, *([f"Cure: {finding.cure}"] if finding.cure else [])]


def _shortened(answered: str) -> str:
    return answered if len(answered) <= 24 else answered[:23] + "…"


def summary_of(grades: Sequence[Grade]) -> str:
    """Return the exam's last lines."""
    counts = {outcome: _count(grades, outcome) for outcome in _COLOURS}
    text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return "\n" + click.style(text, fg="red" if counts["fail"] else "green", bold=True)


def json_of(url: str, grades: Sequence[Grade], *, not_tried: int) -> str:
    """Return the whole result as JSON; ``not_tried`` counts the cases that nobody was there for."""
    return json.dumps(
        {
            "url": url,
            "passed": not _count(grades, "fail"),
            "counts": {outcome: _count(grades, outcome) for outcome in _COLOURS},
            "not_tried": not_tried,
            "cases": [_entry(grade) for grade in grades],
        },
        indent=2,
    )


def _count(grades: Sequence[Grade], outcome: str) -> int:
    return sum(grade.outcome == outcome for grade in grades)


def _entry(grade: Grade) -> dict[str, object]:
    return {
        "case": grade.case.name,
        "story": grade.case.story,
        "outcome": grade.outcome,
        "answered": grade.answered,
        "right": sorted(grade.case.right),
        "cause": grade.finding.cause if grade.finding else None,
        "cure": grade.finding.cure if grade.finding else None,
    }
