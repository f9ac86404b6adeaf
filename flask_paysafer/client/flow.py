"""The request flow of one call: attempts, retries, pacing, outcome recovery.

It is a generator that does no input or output. It yields :class:`Send` and
:class:`Sleep`; the client that drives it sends back the result of a send, and nothing
after a sleep. Time and chance come in through :class:`Environment`, so every rule can be
tested without waiting.

The rules: every attempt has the same bytes and key; nothing is repeated that could be
done twice; an attempt that may have been carried out keeps the call's outcome unknown
until a response to it is known; the deadline bounds attempts and waits.
"""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import PaySaferError, RateLimitError
from ..profile import ApiProfile
from . import responses
from .hooks import AttemptRecord, Hooks
from .operation import AttemptResult, Operation, Recovery, Response, Send, Sleep

__all__ = [
    "Environment",
    "Limits",
    "Prepare",
    "PreparedRequest",
    "RateBudget",
    "RateLimit",
    "RequestFlow",
    "Steps",
]

T = TypeVar("T")
Steps = Generator[Send | Sleep, AttemptResult | None, T]

BACKOFF_BASE = 0.5
"""Seconds that the first backoff may take at most; each one after it twice as many."""
BACKOFF_LONGEST = 8.0
"""Seconds that no backoff exceeds."""
RATE_LIMIT_SPREAD = 0.1
"""The part of a wait for the rate limit that is added at random, so that the processes that
were all refused don't retry in one moment."""
PACE_SPREAD = 5.0
"""Seconds after the reset over which paced processes go on, each at its own time."""

_CONFLICT = 409
_TOO_MANY = 429
_DECLINED = 402
_FIRST_EPOCH = 1e9


@dataclass(slots=True)
class PreparedRequest:
    """The address and headers that every attempt of an operation sends."""

    url: str = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)


Prepare = Callable[[Operation[Any]], PreparedRequest]


class Limits(NamedTuple):
    """How long a call may take, and how often it may be tried."""

    timeout: float
    """Seconds that one attempt may take."""
    deadline: float
    """Seconds that the call may take as a whole."""
    max_retries: int


@dataclass(slots=True)
class Environment:
    """Where time, chance and what is shared between calls come from."""

    hooks: Hooks
    budget: RateBudget
    profile: ApiProfile
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random


class RequestFlow(Generic[T]):
    """The course of one call."""

    __slots__ = (
        "_attempt",
        "_ends",
        "_environment",
        "_is_outcome_unknown",
        "_limits",
        "_operation",
        "_prepare",
        "_request",
    )

    def __init__(
        self,
        operation: Operation[T],
        prepare: Prepare,
        limits: Limits,
        environment: Environment,
        *,
        ends: float | None = None,
    ) -> None:
        self._operation = operation
        self._prepare = prepare
        self._request = prepare(operation)
        self._limits = limits
        self._environment = environment
        self._ends = environment.clock() + limits.deadline if ends is None else ends
        self._attempt = 0
        self._is_outcome_unknown = False  # whether an attempt may have been carried out

    def run(self) -> Steps[T]:
        """Carry the call out.

        :raises PaySaferError: with ``outcome``, ``attempts`` and ``idempotency_key`` set.
        """
        try:
            return (yield from self._try())
        except PaySaferError as error:
            error.attempts = self._attempt
            error.idempotency_key = self._operation.options.idempotency_key
            if error.outcome != "unknown" or self._operation.recovery is None:
                raise
            recovered = yield from self._recover(error, self._operation.recovery)
            if recovered is None:
                raise
            return recovered

    def _try(self) -> Steps[T]:
        while True:
            yield from self._pace()
            began = self._environment.clock()
            result = yield self._begin(began)
            assert result is not None  # noqa: S101 (a driver answers every send)
            self._note(result, self._environment.clock() - began)
            read = self._read(result)
            if not isinstance(read, PaySaferError):
                return read
            yield Sleep(self._wait_or_raise(result, read))
            if self._remaining() <= 0:
                raise read

    def _pace(self) -> Steps[None]:
        pause = self._environment.budget.pause(
            is_checkout=self._operation.is_checkout,
            now=self._environment.wall(),
            random=self._environment.random(),
        )
        if pause and pause >= self._remaining():
            raise RateLimitError(
                "This client's pace leaves no request before the rate limit is reset, "
                "which the deadline does not reach.",
                outcome="unknown" if self._is_outcome_unknown else "not_sent",
                retry_after=pause,
            )
        if pause:
            yield Sleep(pause)

    def _begin(self, now: float) -> Send:
        self._attempt += 1
        self._environment.budget.spend()
        operation, request = self._operation, self._request
        self._environment.hooks.before(
            operation.method, operation.path, operation.route, self._attempt
        )
        return Send(
            operation.method,
            request.url,
            request.headers,
            operation.body,
            min(now + self._limits.timeout, self._ends),
        )

    def _note(self, result: AttemptResult, seconds: float) -> None:
        status = error = request_id = None
        if isinstance(result, Response):
            status = result.status
            self._environment.budget.note(result.headers, now=self._environment.wall())
        if not self._environment.hooks.want_record_of(status):
            return
        if isinstance(result, Response):
            request_id = responses.request_id(result, self._environment.profile)
        else:
            error = result.reason
        operation, attempt = self._operation, self._attempt
        place = operation.method, operation.path, operation.route
        self._environment.hooks.after(
            AttemptRecord(*place, attempt, status, error, seconds, request_id)
        )

    def _read(self, result: AttemptResult) -> T | PaySaferError:
        operation, profile = self._operation, self._environment.profile
        if not isinstance(result, Response):
            error = responses.no_response(operation, result)
        elif 200 <= result.status < 300:
            read = responses.result_of(operation, result, profile)
            if not isinstance(read, PaySaferError):
                return read
            error = read
        else:
            asked = delay_asked_for(result, profile, now=self._environment.wall())
            error = responses.error_of(operation, result, profile, retry_after=asked)
        if self._is_outcome_unknown and not tells_earlier_outcome(result, profile):
            error.outcome = "unknown"
        return error

    def _wait_or_raise(self, result: AttemptResult, error: PaySaferError) -> float:
        repeat = may_retry(
            self._operation,
            result,
            self._environment.profile,
            outcome_unknown=self._is_outcome_unknown,
        )
        self._is_outcome_unknown = error.outcome == "unknown"
        if not repeat or self._attempt > self._limits.max_retries:
            raise error
        room = self._remaining()
        wait = wait_before_retry(
            result,
            self._attempt,
            self._environment.profile,
            now=self._environment.wall(),
            random=self._environment.random(),
            room=room,
        )
        if wait >= room:
            raise error
        return wait

    def _recover(self, error: PaySaferError, recovery: Recovery[T]) -> Steps[T | None]:
        """Read the object back; return it if it shows that the call was carried out."""
        if self._remaining() <= 0:
            return None
        reading: RequestFlow[T] = RequestFlow(
            recovery.reading, self._prepare, self._limits, self._environment, ends=self._ends
        )
        try:
            current = yield from reading.run()
        except PaySaferError:
            return None
        verdict = recovery.judge(current)
        if verdict is False:
            error.outcome = "rejected"
        return current if verdict else None

    def _remaining(self) -> float:
        return self._ends - self._environment.clock()


def may_retry(
    operation: Operation[Any], result: AttemptResult, profile: ApiProfile, *, outcome_unknown: bool
) -> bool:
    """Tell whether the same bytes may be sent again.

    :param outcome_unknown: Whether an earlier attempt may have been carried out.
    """
    if not isinstance(result, Response):
        return not result.sent or operation.is_repeatable
    if result.status == _TOO_MANY:
        return True
    if result.status == _CONFLICT:
        # Our own first attempt may be what this one conflicts with: it may still be
        # running, and once it is done the same key brings its response, where keys do.
        return outcome_unknown and profile.idempotency.reuse == "replay"
    return result.status >= 500 and operation.is_repeatable


def tells_earlier_outcome(result: AttemptResult, profile: ApiProfile) -> bool:
    """Tell whether a refusal also says what became of earlier attempts of the same call.

    A replayed response does, and a declined card does: under one key there is one
    charge, and this is its result. Other refusals (a revoked key, a rate limit, a
    state that our own lost attempt may have brought about) say nothing of it.
    """
    return isinstance(result, Response) and (
        result.status == _DECLINED
        or result.headers.get(profile.headers.replayed.lower(), "").lower() == "true"
    )


def wait_before_retry(
    result: AttemptResult,
    attempt: int,
    profile: ApiProfile,
    *,
    now: float,
    random: float,
    room: float = math.inf,
) -> float:
    """Return the seconds to wait after this attempt (counted from 1) before the next.

    :param now: Unix time.
    :param random: A number in [0, 1).
    :param room: Seconds that are left, which chance must not use up.
    """
    if isinstance(result, Response):
        asked = delay_asked_for(result, profile, now=now)
        if asked is not None:
            return asked + random * _spread(result, asked, room)
    # Over the whole range ("full jitter"), for callers that failed together must part.
    return random * min(BACKOFF_LONGEST, BACKOFF_BASE * 2.0 ** min(attempt - 1, 16))


def _spread(response: Response, asked: float, room: float) -> float:
    if response.status != _TOO_MANY:
        return 0.0
    return min(RATE_LIMIT_SPREAD * asked, max(0.0, room - asked) / 2)


def delay_asked_for(response: Response, profile: ApiProfile, *, now: float) -> float | None:
    """Return the seconds that a refusal asks to wait: ``Retry-After``, or the reset on a 429.

    Every response carries the reset, so only on a 429 does it say when to retry.
    """
    asked = _retry_after(response, now=now)
    if asked is None and response.status == _TOO_MANY:
        asked = _reset_delay(response.headers.get("x-ratelimit-reset"), profile, now=now)
    return asked


def _retry_after(response: Response, *, now: float) -> float | None:
    value = response.headers.get("retry-after", "").strip()
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


def _reset_delay(value: str | None, profile: ApiProfile, *, now: float) -> float | None:
    if value is None or not re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", value.strip(), re.ASCII):
        return None
    number = float(value)
    form = profile.rate_limits.reset
    is_epoch = form == "epoch" or (form == "auto" and number >= _FIRST_EPOCH)
    delay = number - now if is_epoch else number
    return delay if delay > 0 else None


class RateLimit(NamedTuple):
    """The rate limit, as the last response described it."""

    limit: int
    """Requests that one window allows."""
    remaining: int
    """How many of them were left."""
    reset_at: datetime | None
    """When the next window begins, in UTC."""


class RateBudget:
    """The rest of the rate limit, and an optional pace that stays under it.

    The headers count all processes of an account, so every client that paces itself by
    them stays under the limit together with the others.
    """

    __slots__ = ("_current", "_profile", "reserve")

    def __init__(self, reserve: float | None, profile: ApiProfile) -> None:
        self._profile = profile
        self.reserve = reserve
        """The part of the limit that is kept for checkout calls; None: no pace at all."""
        self._current: tuple[int, int, float | None] | None = None  # limit, remaining, reset

    def note(self, headers: Mapping[str, str], *, now: float) -> None:
        """Keep what a response's headers say; ones that can't be read are ignored."""
        limit = _count(headers.get("x-ratelimit-limit"))
        remaining = _count(headers.get("x-ratelimit-remaining"))
        if limit is None or remaining is None:
            return
        delay = _reset_delay(headers.get("x-ratelimit-reset"), self._profile, now=now)
        self._current = limit, remaining, None if delay is None else now + delay

    def spend(self) -> None:
        """Count a request that is being sent, for its response may come after the next one's."""
        if self._current is not None:
            limit, remaining, reset = self._current
            self._current = limit, max(0, remaining - 1), reset

    def pause(self, *, is_checkout: bool, now: float, random: float) -> float:
        """Return the seconds to wait before a request: 0 while the budget has room."""
        if self.reserve is None or self._current is None:
            return 0.0
        limit, remaining, reset = self._current
        kept = 0 if is_checkout else math.ceil(limit * self.reserve)
        if remaining > kept or reset is None or reset <= now:
            return 0.0
        return reset - now + PACE_SPREAD * random

    @property
    def rate_limit(self) -> RateLimit | None:
        """The rate limit of the last response, or None before the first."""
        if self._current is None:
            return None
        limit, remaining, reset = self._current
        moment = None if reset is None else datetime.fromtimestamp(reset, UTC)
        return RateLimit(limit, remaining, moment)


def _count(value: str | None) -> int | None:
    if value is None or not (value.isascii() and value.isdigit()) or len(value) > 9:
        return None
    return int(value)
