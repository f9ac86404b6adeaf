"""One call, with its retries, as a generator that does no input or output.

It yields :class:`Send` and :class:`Sleep`; whoever drives it sends back what came of
a send, and nothing after a sleep. Time and chance come in through
:class:`Surroundings`, so every rule can be tested without waiting.

What it holds to: the same bytes and key in every attempt; nothing is repeated that
could be done twice; an attempt that may have been carried out keeps the call's
outcome unknown until something answers it; the deadline bounds attempts and waits.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from ..errors import PaySaferError, RateLimitError
from . import answers, retries
from .hooks import AttemptRecord, Hooks
from .operation import Operation, Settlement
from .rates import RateBudget
from .wire import Answer, Reply, Send, Sleep

__all__ = ["Exchange", "Limits", "Prepare", "Request", "Steps", "Surroundings"]

T = TypeVar("T")
Steps = Generator[Send | Sleep, Reply | None, T]


class Request(NamedTuple):
    """What every attempt of an operation sends beside its body."""

    url: str
    headers: list[tuple[str, str]]

    def __repr__(self) -> str:
        return "<Request>"


Prepare = Callable[[Operation[Any]], Request]


class Limits(NamedTuple):
    """How long and how often."""

    timeout: float
    """Seconds that one attempt may take."""
    deadline: float
    """Seconds that the call may take as a whole."""
    max_retries: int


@dataclass(slots=True)
class Surroundings:
    """Where time, chance and what is shared between calls come from."""

    hooks: Hooks
    budget: RateBudget
    clock: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    random: Callable[[], float] = random.random


class Exchange(Generic[T]):
    """The course of one call."""

    __slots__ = (
        "_attempt",
        "_ends",
        "_in_doubt",
        "_limits",
        "_operation",
        "_prepare",
        "_request",
        "_world",
    )

    def __init__(
        self,
        operation: Operation[T],
        prepare: Prepare,
        limits: Limits,
        world: Surroundings,
        *,
        ends: float | None = None,
    ) -> None:
        self._operation = operation
        self._prepare = prepare
        self._request = prepare(operation)
        self._limits = limits
        self._world = world
        self._ends = world.clock() + limits.deadline if ends is None else ends
        self._attempt = 0
        self._in_doubt = False  # whether an attempt may have been carried out

    def run(self) -> Steps[T]:
        """Carry the call out.

        :raises PaySaferError: with ``outcome``, ``attempts`` and ``idempotency_key`` set.
        """
        try:
            return (yield from self._try())
        except PaySaferError as error:
            error.attempts = self._attempt
            error.idempotency_key = self._operation.options.idempotency_key
            if error.outcome != "unknown" or self._operation.settlement is None:
                raise
            settled = yield from self._settle(error, self._operation.settlement)
            if settled is None:
                raise
            return settled

    def _try(self) -> Steps[T]:
        while True:
            yield from self._pace()
            began = self._world.clock()
            reply = yield self._begin(began)
            assert reply is not None  # noqa: S101 (a driver answers every send)
            self._note(reply, self._world.clock() - began)
            result = self._read(reply)
            if not isinstance(result, PaySaferError):
                return result
            yield Sleep(self._wait_or_raise(reply, result))
            if self._remaining() <= 0:
                raise result

    def _pace(self) -> Steps[None]:
        pause = self._world.budget.pause(
            is_checkout=self._operation.is_checkout,
            now=self._world.wall(),
            random=self._world.random(),
        )
        if pause and pause >= self._remaining():
            raise RateLimitError(
                "This client's pace leaves no request before the rate limit is reset, "
                "which the deadline does not reach.",
                outcome="unknown" if self._in_doubt else "not_sent",
                retry_after=pause,
            )
        if pause:
            yield Sleep(pause)

    def _begin(self, now: float) -> Send:
        self._attempt += 1
        self._world.budget.spend()
        operation, request = self._operation, self._request
        self._world.hooks.before(operation.method, operation.path, operation.route, self._attempt)
        return Send(
            operation.method,
            request.url,
            request.headers,
            operation.body,
            min(now + self._limits.timeout, self._ends),
        )

    def _note(self, reply: Reply, seconds: float) -> None:
        status = error = request_id = None
        if isinstance(reply, Answer):
            status = reply.status
            self._world.budget.note(reply.headers, now=self._world.wall())
        if not self._world.hooks.are_told_of(status):
            return
        if isinstance(reply, Answer):
            request_id = answers.request_id(reply)
        else:
            error = reply.reason
        operation, attempt = self._operation, self._attempt
        place = operation.method, operation.path, operation.route
        self._world.hooks.after(AttemptRecord(*place, attempt, status, error, seconds, request_id))

    def _read(self, reply: Reply) -> T | PaySaferError:
        operation = self._operation
        if not isinstance(reply, Answer):
            error = answers.no_answer(operation, reply)
        elif 200 <= reply.status < 300:
            result = answers.result_of(operation, reply)
            if not isinstance(result, PaySaferError):
                return result
            error = result
        else:
            error = answers.error_of(operation, reply, now=self._world.wall())
        if self._in_doubt and not retries.is_answer_to_earlier(reply):
            error.outcome = "unknown"
        return error

    def _wait_or_raise(self, reply: Reply, error: PaySaferError) -> float:
        repeat = retries.may_retry(self._operation, reply, in_doubt=self._in_doubt)
        self._in_doubt = error.outcome == "unknown"
        if not repeat or self._attempt > self._limits.max_retries:
            raise error
        room = self._remaining()
        wait = retries.wait_before(
            reply, self._attempt, now=self._world.wall(), random=self._world.random(), room=room
        )
        if wait >= room:
            raise error
        return wait

    def _settle(self, error: PaySaferError, settlement: Settlement[T]) -> Steps[T | None]:
        """Read the object back; return it if it shows that the call was carried out."""
        if self._remaining() <= 0:
            return None
        reading: Exchange[T] = Exchange(
            settlement.reading, self._prepare, self._limits, self._world, ends=self._ends
        )
        try:
            current = yield from reading.run()
        except PaySaferError:
            return None
        verdict = settlement.judge(current)
        if verdict is False:
            error.outcome = "rejected"
        return current if verdict else None

    def _remaining(self) -> float:
        return self._ends - self._world.clock()
