from __future__ import annotations

import json

import pytest

from .findings import Finding, Goal, Unit
from .table import as_data, quantity, render, row

MET = Finding("ours", "theirs", Goal(1.0), (0.001, 0.002), (0.002, 0.002))
MISSED = Finding("rate", "their rate", Goal(1.0, at_least=True), (90.0,), (100.0,), "per second")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2.0, "seconds", "2 s"),
        (0.00153, "seconds", "1.53 ms"),
        (0.0000042, "seconds", "4.2 µs"),
        (0.0, "seconds", "0 ns"),
        (12345.6, "per second", "12,346/s"),
        (51.23, "MB", "51.2 MB"),
    ],
)
def test_quantities_read_well(value: float, unit: Unit, text: str) -> None:
    assert quantity(value, unit) == text


def test_a_row_shows_medians_and_the_ratios_range() -> None:
    assert row(MET) == (
        "ok",
        "1.5 ms",
        "2 ms",
        "0.750 (0.500 … 1.000)",
        "≤ 1",
        "ours",
        "theirs",
    )


def test_a_missed_goal_stands_out() -> None:
    assert row(MISSED)[0] == "MISSED"


def test_columns_are_aligned() -> None:
    heading, met, missed = render([row(MET), row(MISSED)]).splitlines()
    assert heading.index("against") == met.index("theirs") == missed.index("their rate")


def test_the_data_holds_every_figure_and_the_verdict() -> None:
    found = json.loads(json.dumps(as_data([MET])))[0]
    assert found["ours"] == [0.001, 0.002]
    assert found["ratio"] == {"median": 0.75, "min": 0.5, "max": 1.0}
    assert found["met"] is True
