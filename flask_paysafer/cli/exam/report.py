"""An exam's result, for people and for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from .cases import Grade

_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}


def line_of(grade: Grade) -> str:
    """Return a case's row of the table, with cause and cure below it where it went wrong."""
    mark = click.style(f"{grade.outcome:<5}", fg=_COLOURS[grade.outcome], bold=True)
    row = f"{mark} {grade.case.name:<18} {_shortened(grade.answered):<24} {grade.case.story}"
    if grade.finding is None:
        return row
    notes = [grade.finding.cause, grade.finding.cure and f"Cure: {grade.finding.cure}"]
    return "\n".join([row, *(f"{'':6}{note}" for note in notes if note)])


def _shortened(answered: str) -> str:
    return answered if len(answered) <= 24 else answered[:23] + "…"


def summary_of(grades: Sequence[Grade]) -> str:
    """Return the exam's last line."""
    counts = {outcome: _count(grades, outcome) for outcome in _COLOURS}
    text = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return click.style(text, fg="red" if counts["fail"] else "green", bold=True)


def json_of(url: str, grades: Sequence[Grade]) -> str:
    """Return the whole result as JSON."""
    return json.dumps(
        {
            "url": url,
            "passed": not _count(grades, "fail"),
            "counts": {outcome: _count(grades, outcome) for outcome in _COLOURS},
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
