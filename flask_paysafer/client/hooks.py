"""Hooks: what tracing and metrics learn of each attempt."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..redaction import redact

__all__ = ["Attempt", "AttemptRecord", "Hook", "Hooks", "ObservingHook"]

logger = logging.getLogger("flask_paysafer.client")


class Attempt(NamedTuple):
    """One request that is about to be sent."""

    method: str
    path: str
    """Relative to the base URL, such as ``/payments/pay_1``."""
    route: str
    """The path with a placeholder for the id: ``/payments/{id}``. Few, so fit for metrics."""
    attempt: int
    """1 for the first."""


class AttemptRecord(NamedTuple):
    """One request that was sent, and its result."""

    method: str
    path: str
    """Relative to the base URL, such as ``/payments/pay_1``."""
    route: str
    """The path with a placeholder for the id: ``/payments/{id}``. Few, so fit for metrics."""
    attempt: int
    """1 for the first."""
    status: int | None
    """The HTTP status, or None if no response came."""
    error: str | None
    """The kind of failure if no response came, such as ``ConnectError``."""
    seconds: float
    """How long it took."""
    request_id: str | None
    """PaySafer's id of the request."""


@runtime_checkable
class ObservingHook(Protocol):
    """A hook that is called before and after each attempt."""

    def before(self, attempt: Attempt, /) -> object:
        """Called right before the request is sent."""

    def after(self, record: AttemptRecord, /) -> object:
        """Called when the response has come, or none will."""


Hook = Callable[[AttemptRecord], object] | ObservingHook


class Hooks:
    """Calls the hooks and writes the log. What a hook raises is logged and changes nothing."""

    __slots__ = ("_after", "_before")

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        self._before: list[Callable[[Attempt], object]] = []
        self._after: list[Callable[[AttemptRecord], object]] = []
        for hook in hooks:
            self._add(hook)

    def _add(self, hook: Any) -> None:
        if isinstance(hook, ObservingHook):
            self._before.append(hook.before)
            self._after.append(hook.after)
        elif callable(hook):
            self._after.append(hook)
        else:
            raise TypeError("A hook must be callable, or have before() and after().")

    def before(self, method: str, path: str, route: str, attempt: int) -> None:
        """Call the hooks before a request is sent."""
        if self._before:
            begun = Attempt(method, redact(path), redact(route), attempt)
            for hook in self._before:
                _call(hook, begun)

    def want_record_of(self, status: int | None) -> bool:
        """Tell whether a hook or the log takes the record of an attempt with this status."""
        return bool(self._after) or logger.isEnabledFor(_level(status))

    def after(self, record: AttemptRecord) -> None:
        """Log the result of a request, and call the hooks with it."""
        record = record._replace(path=redact(record.path), route=redact(record.route))
        logger.log(
            _level(record.status),
            "%s %s: %s in %.3f s (attempt %d, request id %s)",
            record.method,
            record.path,
            record.error or record.status,
            record.seconds,
            record.attempt,
            record.request_id,
        )
        for hook in self._after:
            _call(hook, record)


def _level(status: int | None) -> int:
    if status is None or status >= 500 or status == 429:
        return logging.WARNING
    return logging.INFO if status >= 400 else logging.DEBUG


def _call(hook: Callable[[Any], object], argument: object) -> None:
    try:
        hook(argument)
    except Exception:
        logger.exception("A hook of the PaySafer client raised; the call goes on.")
