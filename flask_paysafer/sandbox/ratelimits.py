"""Count requests per account and mode, in windows of a virtual minute."""

from __future__ import annotations

import math
from typing import NamedTuple

from .realms import Realm

WINDOW_SECONDS = 60
LIMITS = {"test": 100, "live": 1000}
"""Requests per window: documented."""


class Standing(NamedTuple):
    """What an answer says about the limit."""

    limit: int
    remaining: int
    reset: int
    """Unix seconds at which the window ends."""
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Return the documented headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class RateLimits:
    """The windows of all realms; the caller holds the ledger's lock."""

    def __init__(self) -> None:
        self._windows: dict[Realm, tuple[float, int]] = {}

    def count(self, realm: Realm, now: float) -> Standing:
        """Count one request, and tell how the realm stands after it."""
        ends, used = self._window(realm, now)
        limit = LIMITS[realm.mode]
        if used >= limit:
            return Standing(limit, 0, math.ceil(ends), exceeded=True)
        self._windows[realm] = (ends, used + 1)
        return Standing(limit, limit - used - 1, math.ceil(ends))

    def _window(self, realm: Realm, now: float) -> tuple[float, int]:
        ends, used = self._windows.get(realm, (0.0, 0))
        return (ends, used) if now < ends else (now + WINDOW_SECONDS, 0)

    def clear(self) -> None:
        """Begin all windows anew."""
        self._windows.clear()


def unknown_standing(now: float) -> Standing:
    """Return what an answer says whose caller is nobody: a test key's limit, untouched."""
    return Standing(LIMITS["test"], LIMITS["test"], math.ceil(now + WINDOW_SECONDS))
