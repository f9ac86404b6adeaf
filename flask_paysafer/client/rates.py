"""The rate limit: what PaySafer's headers say is left of it, and an optional pace.

The headers count all processes of an account, so every client that paces itself by
them stays under the limit together with the others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from .retries import reset_delay

__all__ = ["RateBudget", "RateLimit"]

SPREAD = 5.0
"""Seconds after the reset over which waiting processes come back, each at its own time."""
_LARGEST = 1_000_000_000


class RateLimit(NamedTuple):
    """What the last answer said of the rate limit."""

    limit: int
    """Requests that one window allows."""
    remaining: int
    """How many of them were left."""
    reset_at: datetime | None
    """When the next window begins, in UTC."""


class RateBudget:
    """Keeps what the answers say, and tells how long to wait before the next request."""

    __slots__ = ("_noted", "_reset", "_spare", "current", "reserve")

    def __init__(self, reserve: float | None = None) -> None:
        self.reserve = reserve
        """The part of the limit that is kept for checkout calls; None: no pace at all."""
        self.current: tuple[int, int, float | None] | None = None
        """Limit, remaining and reset (unix time)."""

    def note(self, headers: Mapping[str, str], *, now: float) -> None:
        """Keep what an answer's headers say; ones that can't be read are passed over."""
        limit = _count(headers.get("x-ratelimit-limit"))
        remaining = _count(headers.get("x-ratelimit-remaining"))
        if limit is None or remaining is None:
            return
        delay = reset_delay(headers.get("x-ratelimit-reset"), now=now)
        self.current = limit, remaining, None if delay is None else now + delay

    def spend(self) -> None:
        """Count a request that is being sent, for its answer may come after the next one's."""
        if self.current is not None:
            limit, remaining, reset = self.current
            self.current = limit, max(0, remaining - 1), reset

    def pause(self, *, is_checkout: bool, now: float, random: float) -> float:
        """Return the seconds to wait before a request: 0 while the budget has room."""
        if self.reserve is None or self.current is None:
            return 0.0
        limit, remaining, reset = self.current
        kept = 0 if is_checkout else math.ceil(limit * self.reserve)
        if remaining > kept or reset is None or reset <= now:
            return 0.0
        return reset - now + SPREAD * random

    @property
    def rate_limit(self) -> RateLimit | None:
        """What the last answer said, or None before the first."""
        if self.current is None:
            return None
        limit, remaining, reset = self.current
        moment = None if reset is None else datetime.fromtimestamp(reset, UTC)
        return RateLimit(limit, remaining, moment)


def _count(value: str | None) -> int | None:
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 9:
        return None
    return int(value)
