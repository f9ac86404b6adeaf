"""Read and write moments on the command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGE = re.compile(r"(\d+)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases alone
    """A length of time: ``90d``, ``48h``, ``15m``; a number alone is days."""

    name = "age"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        """Return the length of time."""
        if isinstance(value, timedelta):
            return value
        match = _AGE.fullmatch(f"{value}d" if value.isdecimal() else value)
        if match is None:
            self.fail("write a number and a unit, such as 90d, 48h or 15m.", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Moment(click.ParamType):  # type: ignore[type-arg]  # as above
    """A moment: an age before now (``2h``), or an ISO date or time, UTC unless it says."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Return the moment, aware."""
        if isinstance(value, datetime):
            return value
        if _AGE.fullmatch(value):
            return datetime.now(UTC) - Age().convert(value, param, ctx)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("write an age such as 2h, or a time such as 2026-01-31T12:00.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


AGE = Age()
MOMENT = Moment()


def as_ms(moment: datetime | None) -> int | None:
    """Return UTC milliseconds."""
    return None if moment is None else round(moment.timestamp() * 1000)


def shown(milliseconds: int | None) -> str:
    """Return a moment for people, UTC."""
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
