"""When periods begin: calendar arithmetic in a time zone, counted from one anchor.

Rules of this file: no database, no clock, no Flask. Period ``n`` begins at the anchor plus
``n`` intervals by the calendar, always counted from the anchor, so that month ends don't
drift: 31 January, 28 February, 31 March. The wall time is kept through changes of daylight
saving time; one that does not exist on that day is moved forward by the length of the gap,
and of one that exists twice the first is taken.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from ..errors import ConfigurationError

Unit = Literal["hour", "day", "week", "month", "year"]

_TEXT = re.compile(r"([1-9][0-9]{0,3}) (hour|day|week|month|year)s?")
_MONTHS = {"month": 1, "year": 12}
_SECONDS = {
    "hour": 3_600,
    "day": 86_400,
    "week": 7 * 86_400,
    "month": 2_629_746,
    "year": 31_556_952,
}
"""Mean lengths: a first guess of how many intervals have passed."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A whole number of hours, days, weeks, months or years."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: Any, *, name: str, hours: bool = False) -> Interval:
        """Return the interval that ``text`` names, such as ``"1 month"`` or ``"3 days"``.

        :param name: The argument, for messages.
        :param hours: Whether hours are allowed too.
        :raises ConfigurationError: for anything else.
        """
        found = _TEXT.fullmatch(text) if isinstance(text, str) else None
        if found is None or (found[2] == "hour" and not hours):
            units = ("hour, " if hours else "") + "day, week, month or year"
            raise ConfigurationError(
                f"{name}={text!r:.40} is not an interval. Write a whole number from 1 on and "
                f'{units}, such as "1 month" or "3 days".'
            )
        return cls(int(found[1]), cast("Unit", found[2]))

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'s' if self.count > 1 else ''}"

    @property
    def mean_seconds(self) -> int:
        """The interval's mean length in seconds."""
        return self.count * _SECONDS[self.unit]


@dataclass(frozen=True, slots=True)
class Schedule:
    """The periods of one subscription, numbered from ``first``.

    :param anchor: When the period with the number ``first`` begins.
    """

    anchor: datetime
    every: Interval
    zone: ZoneInfo
    first: int = 1

    def start(self, number: int) -> datetime:
        """Return when the period begins, as an aware time in the zone.

        :raises OverflowError: after the year 9999.
        """
        return later(self.anchor, self.every, number - self.first, self.zone)

    def end(self, number: int) -> datetime:
        """Return when the period ends; it is the next one's start, and not part of it."""
        return self.start(number + 1)

    def number_at(self, moment: datetime) -> int | None:
        """Return the number of the period that contains ``moment``; None before the first."""
        if moment < self.anchor:
            return None
        passed = (moment - self.anchor).total_seconds()
        number = self.first + int(passed // self.every.mean_seconds)
        while self.start(number) > moment:
            number -= 1
        while self._has_begun(number + 1, moment):
            number += 1
        return number

    def _has_begun(self, number: int, moment: datetime) -> bool:
        try:
            return self.start(number) <= moment
        except OverflowError:
            return False


def later(moment: datetime, interval: Interval, times: int, zone: ZoneInfo) -> datetime:
    """Return ``moment`` plus ``times`` intervals, by the calendar of ``zone``.

    :raises OverflowError: after the year 9999.
    """
    local = moment.astimezone(zone)
    if times == 0:
        return local
    if interval.unit == "hour":
        return (moment.astimezone(UTC) + timedelta(hours=interval.count * times)).astimezone(zone)
    wall = local.replace(tzinfo=None, fold=0)
    if interval.unit in _MONTHS:
        moved = _months_later(wall, interval.count * times * _MONTHS[interval.unit])
    else:
        days = interval.count * times * (7 if interval.unit == "week" else 1)
        moved = wall + timedelta(days=days)
    # By way of UTC: a time in a gap has the offset from before it, so it lands after the gap.
    return moved.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def _months_later(wall: datetime, months: int) -> datetime:
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError("date value out of range")
    day = min(wall.day, monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day)
