"""Count requests per account and mode, in windows of a virtual minute."""

from __future__ import annotations

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
        self._windows: dict[Realm, tuple[int, int]] = {}

    def count(self, realm: Realm, now: float) -> Standing:
        """Count one request, and tell how the realm stands after it."""
        ends, used = self._window(realm, now)
        limit = LIMITS[realm.mode]
        if used >= limit:
            return Standing(limit, 0, ends, exceeded=True)
        self._windows[realm] = (ends, used + 1)
        return Standing(limit, limit - used - 1, ends)

    def _window(self, realm: Realm, now: float) -> tuple[int, int]:
        ends, used = self._windows.get(realm, (0, 0))
        return (ends, used) if now < ends else (_end(now), 0)

    def clear(self) -> None:
        """Begin all windows anew."""
        self._windows.clear()


def _end(now: float) -> int:
    """Return when a window ends that begins now: at a whole second, as the header tells it."""
    return int(now) + WINDOW_SECONDS


def unknown_standing(now: float) -> Standing:
    """Return what an answer says whose caller is nobody: a test key's limit, untouched."""
    return Standing(LIMITS["test"], LIMITS["test"], _end(now))
