"""Whether an attempt may be followed by another, and after how long. Pure."""

from __future__ import annotations

import math
import re
from datetime import UTC
from typing import Any

from .operation import Operation
from .wire import Answer, Reply

__all__ = [
    "is_answer_to_earlier",
    "may_retry",
    "refusal_delay",
    "reset_delay",
    "retry_after",
    "wait_before",
]

BASE = 0.5
"""Seconds that the first backoff may take at most; each one after it twice as many."""
LONGEST = 8.0
"""Seconds that no backoff exceeds."""
SPREAD = 0.1
"""The part of a wait for the rate limit that is added at random, so that the processes
that were all refused don't all come back in one moment."""

_CONFLICT = 409
_TOO_MANY = 429
_DECLINED = 402
_FIRST_EPOCH = 1e9


def may_retry(operation: Operation[Any], reply: Reply, *, in_doubt: bool) -> bool:
    """Tell whether the same bytes may be sent again.

    :param in_doubt: Whether an earlier attempt may have been carried out.
    """
    if not isinstance(reply, Answer):
        return not reply.sent or operation.is_repeatable
    if reply.status == _TOO_MANY:
        return True
    if reply.status == _CONFLICT:
        # Our own first attempt may be what this one conflicts with: it may still be
        # running, and once it is done the same key brings its answer.
        return in_doubt
    return reply.status >= 500 and operation.is_repeatable


def is_answer_to_earlier(reply: Reply) -> bool:
    """Tell whether a refusal also says what became of earlier attempts of the same call.

    A replayed answer does, and a declined card does: under one key there is one
    charge, and this is its result. Other refusals (a revoked key, a rate limit, a
    state that our own lost attempt may have brought about) say nothing of it.
    """
    return isinstance(reply, Answer) and (
        reply.status == _DECLINED or reply.headers.get("idempotent-replayed", "").lower() == "true"
    )


def wait_before(
    reply: Reply, attempt: int, *, now: float, random: float, room: float = math.inf
) -> float:
    """Return the seconds to wait after this attempt (counted from 1) before the next.

    :param now: Unix time.
    :param random: A number in [0, 1).
    :param room: Seconds that are left, which chance must not use up.
    """
    if isinstance(reply, Answer):
        asked = refusal_delay(reply, now=now)
        if asked is not None:
            return asked + random * _spread(reply, asked, room)
    # Over the whole range ("full jitter"), for callers that failed together must part.
    return random * min(LONGEST, BASE * 2.0 ** min(attempt - 1, 16))


def _spread(answer: Answer, asked: float, room: float) -> float:
    if answer.status != _TOO_MANY:
        return 0.0
    return min(SPREAD * asked, max(0.0, room - asked) / 2)


def refusal_delay(answer: Answer, *, now: float) -> float | None:
    """Return the seconds that a refusal asks to wait: ``Retry-After``, or the reset on a 429.

    Every answer carries the reset, so only there does it say when to come again.
    """
    asked = retry_after(answer, now=now)
    if asked is None and answer.status == _TOO_MANY:
        asked = reset_delay(answer.headers.get("x-ratelimit-reset"), now=now)
    return asked


def retry_after(answer: Answer, *, now: float) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, given as seconds or as a date."""
    value = answer.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", value, re.ASCII):
        return float(value)
    return _until(value, now=now) if value else None


def _until(date: str, *, now: float) -> float | None:
    from email.utils import parsedate_to_datetime  # slow to import, seldom needed

    try:
        moment = parsedate_to_datetime(date)
        # HTTP's dates are in GMT, those of its old forms too, which don't say so.
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, aware.timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def reset_delay(value: str | None, *, now: float) -> float | None:
    """Return the seconds until ``X-RateLimit-Reset``, given as unix time or as seconds."""
    if value is None or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value.strip(), re.ASCII):
        return None
    number = float(value)
    delay = number - now if number >= _FIRST_EPOCH else number
    return delay if delay > 0 else None
