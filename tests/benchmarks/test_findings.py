from __future__ import annotations

import pytest

from .findings import Finding, Goal, Spread


def finding(
    ours: tuple[float, ...], theirs: tuple[float, ...], goal: Goal | None = None
) -> Finding:
    return Finding("ours", "theirs", goal, ours, theirs)


def test_a_spread_is_the_median_with_the_least_and_the_greatest() -> None:
    assert Spread.of([5.0, 1.0, 2.0]) == (2.0, 1.0, 5.0)


def test_ratios_are_taken_pair_by_pair() -> None:
    """A slow moment met both sides of the second pair; medians of each side would hide that."""
    assert finding((1.0, 30.0, 2.0), (2.0, 60.0, 1.0)).ratios == (0.5, 0.5, 2.0)


def test_series_of_different_lengths_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="longer"):
        _ = finding((1.0,), (1.0, 2.0)).ratios


@pytest.mark.parametrize(
    ("goal", "ratio", "is_met"),
    [
        (Goal(1.25), 1.25, True),
        (Goal(1.25), 1.26, False),
        (Goal(0.85, at_least=True), 0.85, True),
        (Goal(0.85, at_least=True), 0.84, False),
    ],
)
def test_a_goal_includes_its_limit(goal: Goal, ratio: float, is_met: bool) -> None:
    assert finding((ratio,), (1.0,), goal).is_met is is_met


def test_without_a_goal_there_is_none_to_miss() -> None:
    assert finding((9.0,), (1.0,), None).is_met


def test_a_goal_reads_as_in_the_table() -> None:
    assert [str(Goal(0.05)), str(Goal(1.2, at_least=True))] == ["≤ 0.05", "≥ 1.2"]
