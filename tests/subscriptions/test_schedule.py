"""When periods begin: month ends, leap days, daylight saving time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_paysafer.errors import ConfigurationError
from flask_paysafer.subscriptions.schedule import Interval, Schedule, later

DUBAI = ZoneInfo("Asia/Dubai")
BERLIN = ZoneInfo("Europe/Berlin")
MONTH = Interval(1, "month")


def starts(anchor: datetime, every: Interval, zone: ZoneInfo, count: int) -> list[str]:
    schedule = Schedule(anchor, every, zone)
    return [schedule.start(number).isoformat(sep=" ") for number in range(1, count + 1)]


def test_month_ends_are_counted_from_the_anchor_and_do_not_drift() -> None:
    anchor = datetime(2026, 1, 31, 9, tzinfo=DUBAI)
    days = [text[:10] for text in starts(anchor, MONTH, DUBAI, 5)]
    assert days == ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]


def test_a_leap_day_comes_back_in_the_next_leap_year() -> None:
    anchor = datetime(2024, 2, 29, tzinfo=UTC)
    days = [text[:10] for text in starts(anchor, Interval(1, "year"), ZoneInfo("UTC"), 5)]
    assert days == ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]


def test_the_wall_time_is_kept_through_daylight_saving_time() -> None:
    anchor = datetime(2026, 3, 1, 9, tzinfo=BERLIN)
    assert starts(anchor, MONTH, BERLIN, 2) == [
        "2026-03-01 09:00:00+01:00",
        "2026-04-01 09:00:00+02:00",
    ]


def test_a_wall_time_that_does_not_exist_moves_forward_by_the_gap() -> None:
    anchor = datetime(2026, 3, 28, 2, 30, tzinfo=BERLIN)
    assert starts(anchor, Interval(1, "day"), BERLIN, 3) == [
        "2026-03-28 02:30:00+01:00",
        "2026-03-29 03:30:00+02:00",
        "2026-03-30 02:30:00+02:00",
    ]


def test_of_a_wall_time_that_exists_twice_the_first_is_taken() -> None:
    anchor = datetime(2026, 10, 24, 2, 30, tzinfo=BERLIN)
    assert starts(anchor, Interval(1, "day"), BERLIN, 2)[1] == "2026-10-25 02:30:00+02:00"


def test_an_anchor_in_the_second_of_two_equal_hours_is_kept() -> None:
    anchor = datetime(2026, 10, 25, 2, 30, fold=1, tzinfo=BERLIN)
    assert Schedule(anchor, MONTH, BERLIN).start(1) == anchor
    assert Schedule(anchor, MONTH, BERLIN).start(1).utcoffset() == timedelta(hours=1)


def test_hours_are_counted_by_the_clock_and_not_by_the_wall() -> None:
    moment = datetime(2026, 3, 29, 1, 30, tzinfo=BERLIN)
    assert later(moment, Interval(1, "hour"), 1, BERLIN).isoformat() == "2026-03-29T03:30:00+02:00"


def test_numbers_go_on_from_where_the_schedule_begins() -> None:
    schedule = Schedule(datetime(2026, 5, 1, tzinfo=UTC), MONTH, ZoneInfo("UTC"), first=7)
    assert schedule.start(8).month == 6
    assert schedule.number_at(datetime(2026, 6, 15, tzinfo=UTC)) == 8


def test_before_the_anchor_there_is_no_period() -> None:
    schedule = Schedule(datetime(2026, 5, 1, tzinfo=UTC), MONTH, ZoneInfo("UTC"))
    assert schedule.number_at(datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC)) is None


def test_the_last_representable_period_is_found_and_the_one_after_it_overflows() -> None:
    schedule = Schedule(datetime(9999, 11, 20, tzinfo=UTC), MONTH, ZoneInfo("UTC"))
    assert schedule.number_at(datetime(9999, 12, 31, tzinfo=UTC)) == 2
    with pytest.raises(OverflowError):
        schedule.start(3)


intervals = st.builds(
    Interval, st.integers(1, 24), st.sampled_from(["day", "week", "month", "year"])
)
zones = st.sampled_from(
    [ZoneInfo(name) for name in ("UTC", "Asia/Dubai", "Europe/Berlin", "Australia/Lord_Howe")]
)
moments = st.integers(946_684_800, 2_840_140_800).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)


@given(anchor=moments, every=intervals, zone=zones, after=st.integers(0, 12 * 366 * 86_400))
def test_every_moment_from_the_anchor_on_is_in_exactly_one_period(
    anchor: datetime, every: Interval, zone: ZoneInfo, after: int
) -> None:
    schedule = Schedule(anchor, every, zone)
    moment = anchor + timedelta(seconds=after)
    number = schedule.number_at(moment)
    assert number is not None
    assert schedule.start(number) <= moment < schedule.end(number)


@pytest.mark.parametrize(
    "text", ["0 months", "1", "month", "-1 day", "1.5 days", "1  month", "one month", "1 hour", ""]
)
def test_refuses_what_is_no_interval(text: str) -> None:
    with pytest.raises(ConfigurationError, match="is not an interval"):
        Interval.parse(text, name="every")


@pytest.mark.parametrize("text", ["1 month", "2 months", "12 weeks", "1 year", "30 days"])
def test_reads_intervals_in_singular_and_plural(text: str) -> None:
    assert str(Interval.parse(text, name="every")) == text
