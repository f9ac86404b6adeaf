"""What the core asks of a driver, and what it gets back.

The core (:mod:`.exchange`) yields :class:`Send` and :class:`Sleep`; a driver
answers a send with an :class:`Answer` or, where none came, :class:`NoAnswer`.
Headers and bodies hold keys and personal data, so no ``repr`` shows them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Answer", "NoAnswer", "Reply", "Send", "Sleep", "headers_of", "is_clear_from_status"]

_FIRST_ERROR = 400


@dataclass(slots=True)
class Send:
    """Send this request once."""

    method: str
    url: str = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    expires: float
    """The moment, by the monotonic clock, after which nobody waits for the answer."""


class Sleep(NamedTuple):
    """Wait so many seconds."""

    seconds: float


@dataclass(slots=True)
class Answer:
    """What PaySafer answered."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)


class NoAnswer(NamedTuple):
    """No whole answer came."""

    sent: bool
    """False if PaySafer can't have got the request; True if it may have."""
    timed_out: bool
    reason: str
    """The kind of failure, such as ``ConnectError``; no text of others."""


Reply = Answer | NoAnswer


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in lower case; of several of one name, the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def is_clear_from_status(status: int) -> bool:
    """Tell whether an answer whose body was lost says by its status what happened."""
    return status >= _FIRST_ERROR
