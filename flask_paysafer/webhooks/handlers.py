"""The merchant's handlers: who wants which event, in which order, under which name.

Handlers are held strongly and run in the order they were registered. The name is
what the ledger remembers, so it must mean the same function after a restart.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar

from ..errors import ConfigurationError
from ..resources import EVENT_TYPES

Function = TypeVar("Function", bound=Callable[..., Any])

LONGEST_NAME = 200
"""What a handler's name may have; the ledger's key has to hold it."""

_PATTERN = re.compile(r"\*|[a-z0-9_]+(\.[a-z0-9_]+)*(\.\*)?")


class Handler(NamedTuple):
    """One registered function."""

    name: str
    function: Callable[..., Any]
    patterns: tuple[str, ...]
    skips_stale: bool = False

    def wants(self, event_type: str) -> bool:
        """Whether the handler is for this type of event."""
        return any(_matches(pattern, event_type) for pattern in self.patterns)


def _matches(pattern: str, event_type: str) -> bool:
    if pattern.endswith("*"):
        return event_type.startswith(pattern[:-1])
    return pattern == event_type


class HandlerRegistry:
    """The handlers of one extension."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def on(
        self,
        *types: str,
        name: str | None = None,
        unknown_ok: bool = False,
        stale: Literal["skip"] | None = None,
    ) -> Callable[[Function], Function]:
        """Register the decorated function for events of ``types``.

        A type is exact (``"payment.completed"``), a family (``"payment.*"``) or
        everything (``"*"``). The same function registered again takes its old place,
        so an app factory may be called twice.

        :param name: What the ledger calls the handler; by default its module and
            qualified name. Give one before you rename or move a function, and to
            tell apart several made by one factory.
        :param unknown_ok: Accept a type this release does not know.
        :param stale: ``"skip"`` leaves out an event that is older than one already
            handled for the same object.
        :raises ConfigurationError: for a misspelt type, a function that can't take
            one event, or a name that another function has.
        """
        patterns = _checked_patterns(types, unknown_ok=unknown_ok)
        if stale not in (None, "skip"):
            raise ConfigurationError(f'stale= is "skip" or left out, not {stale!r}.')

        def register(function: Function) -> Function:
            _check_takes_event(function)
            self._add(Handler(_name_of(function, name), function, patterns, stale == "skip"))
            return function

        return register

    def _add(self, handler: Handler) -> None:
        known = self._handlers.get(handler.name)
        if known is not None:
            if not _is_same(known, handler):
                raise ConfigurationError(
                    f"Another handler is already called {handler.name!r}. The ledger tells "
                    "handlers apart by name: give one of them a name of its own, "
                    '@paysafer.on(…, name="…").'
                )
            handler = handler._replace(patterns=_union(known.patterns, handler.patterns))
        self._handlers[handler.name] = handler

    def for_type(self, event_type: str) -> list[Handler]:
        """Return the handlers for ``event_type``, in the order they were registered."""
        return [handler for handler in self._handlers.values() if handler.wants(event_type)]

    def wants(self, event_type: str) -> bool:
        """Whether any handler is for ``event_type``."""
        return any(handler.wants(event_type) for handler in self._handlers.values())

    def __iter__(self) -> Iterator[Handler]:
        return iter(self._handlers.values())

    def __len__(self) -> int:
        return len(self._handlers)


def _checked_patterns(types: Iterable[Any], *, unknown_ok: bool) -> tuple[str, ...]:
    patterns = tuple(types)
    if not patterns or not all(isinstance(pattern, str) for pattern in patterns):
        raise ConfigurationError(
            'Say which events a handler is for: @paysafer.on("payment.completed").'
        )
    for pattern in patterns:
        _check_pattern(pattern, unknown_ok=unknown_ok)
    return patterns


def _check_pattern(pattern: str, *, unknown_ok: bool) -> None:
    if not _PATTERN.fullmatch(pattern):
        raise ConfigurationError(
            f'{pattern!r} is no event type. Write "payment.completed", "payment.*" or "*".'
        )
    if unknown_ok or any(_matches(pattern, known) for known in EVENT_TYPES):
        return
    raise ConfigurationError(
        f"PaySafer documents no event type {pattern!r}.{_suggestion(pattern)} "
        "For a type that is newer than this release pass unknown_ok=True."
    )


def _suggestion(pattern: str) -> str:
    families = [f"{known.partition('.')[0]}.*" for known in EVENT_TYPES]
    close = difflib.get_close_matches(pattern, [*EVENT_TYPES, *families], n=1)
    return f" Did you mean {close[0]!r}?" if close else f" It has: {', '.join(EVENT_TYPES)}."


def _check_takes_event(function: Any) -> None:
    if not callable(function):
        raise ConfigurationError(f"A handler must be callable, not {type(function).__name__}.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(object())
    except TypeError:
        raise ConfigurationError(
            f"The handler {getattr(function, '__qualname__', function)!r} must take one argument, "
            "the event."
        ) from None


def _name_of(function: Any, given: str | None) -> str:
    name = given or name_of(function)
    if name is None:
        raise ConfigurationError(
            f'A {type(function).__name__} has no name of its own: pass name="…" to @paysafer.on.'
        )
    if len(name) > LONGEST_NAME or not name.isprintable() or name != name.strip():
        raise ConfigurationError(
            f"A handler's name has up to {LONGEST_NAME} printable characters and no space around; "
            f"{name!r} has not."
        )
    return name


def name_of(function: Any) -> str | None:
    """Return ``module.qualname`` of a function, or of a callable object's class."""
    named = function if hasattr(function, "__qualname__") else type(function)
    if named.__module__ == "functools":
        return None
    return f"{named.__module__}.{named.__qualname__}"


def _is_same(known: Handler, new: Handler) -> bool:
    """Whether ``new`` is the function of ``known``, or the same source run again.

    An app factory that is called twice makes its inner functions anew, from one and
    the same code and for the same events. Functions that a loop makes for one event
    each are different handlers.
    """
    if known.function is new.function or known.function == new.function:
        return True
    known_code = getattr(known.function, "__code__", None)
    is_rerun = known_code is not None and known_code == getattr(new.function, "__code__", None)
    return is_rerun and set(new.patterns) <= set(known.patterns)


def _union(known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    # Decorators may be stacked on one function, one for each event.
    return (*known, *(pattern for pattern in new if pattern not in known))
