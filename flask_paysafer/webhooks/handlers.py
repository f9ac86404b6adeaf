"""Call the merchant's functions: in a context of their own, plain or async."""

from __future__ import annotations

import contextvars
import difflib
import inspect
import logging
import re
import traceback
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from itertools import dropwhile
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from blinker import NamedSignal
from flask import Flask

from .. import signals
from ..errors import ConfigurationError
from ..events import EVENT_TYPES, LOCAL_EVENT_TYPES, Event, is_local_type

logger = logging.getLogger(__name__)

_LONGEST_MESSAGE = 4000
_OURS = str(Path(__file__).parents[1])


@contextmanager
def fresh_context(app: Flask) -> Iterator[None]:
    """Push an app context of its own: a fresh ``g`` and a fresh database session.

    A teardown function that raises is logged. What the handler did is committed by
    then and is not to be done again.
    """
    context = app.app_context()
    context.push()
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        try:
            context.pop(error)
        except Exception:
            logger.exception("A teardown function of the app failed after a webhook handler.")


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return what a function returns, or a coroutine function when it has run to its end.

    :raises TypeError: if it returns what has not run yet, such as a generator.
    """
    result = function(*args, **kwargs)
    if inspect.iscoroutine(result):
        return _run(result)
    if inspect.isgenerator(result) or inspect.isasyncgen(result) or inspect.isawaitable(result):
        # Its body never ran: taken for done, the event's effect would be lost without a word.
        raise TypeError(
            f"It returned a {type(result).__name__}, which nothing runs. "
            "Write it as a plain function or an async one, without yield."
        )
    return result


def _run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Imported on first use: most shops have no async handler, and these take long to load.
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    # A loop is running in this thread, as under an ASGI server: wait in another thread, in
    # this context, so that the handler sees its app and its session.
    context = contextvars.copy_context()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(context.run, asyncio.run, coroutine).result()


def describe(error: BaseException) -> str:
    """Return what is stored and logged of an error: type and message, then the merchant's frames.

    The message may quote a statement's parameters: cards, keys and addresses are taken out.
    What no database or terminal takes (NUL, half a surrogate pair) is written as ``\\x00``.
    """
    from ..redaction import redact

    said = "".join(traceback.format_exception_only(error)).strip()
    summary = _writable(redact(said, limit=_LONGEST_MESSAGE))
    frames = traceback.extract_tb(error.__traceback__)
    theirs = dropwhile(lambda frame: frame.filename.startswith(_OURS), frames)
    where = "".join(traceback.format_list(list(theirs))).rstrip()
    return f"{summary}\n\n{_writable(where)}" if where else summary


def _writable(text: str) -> str:
    known = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return known.replace("\x00", "\\x00")


# The merchant's handlers: who wants which event, in which order, under which name.
#
# Handlers are held strongly and run in the order they were registered. The name is
# what the ledger remembers, so it must mean the same function after a restart.


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
    apps: int = 0
    """How many apps the extension had been joined to when it was registered."""

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
        self._apps = 0

    def note_app(self) -> None:
        """Note an ``init_app``: what an app factory registers again may replace itself."""
        self._apps += 1

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
            called = _name_of(function, name)
            self._add(Handler(called, function, patterns, stale == "skip", self._apps))
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


_KNOWN_TYPES = (*EVENT_TYPES, *LOCAL_EVENT_TYPES)


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
    if unknown_ok or any(_matches(pattern, known) for known in _KNOWN_TYPES):
        return
    raise ConfigurationError(
        f"PaySafer documents no event type {pattern!r}.{_suggestion(pattern)} "
        "For a type that is newer than this release pass unknown_ok=True."
    )


def _suggestion(pattern: str) -> str:
    families = [f"{known.partition('.')[0]}.*" for known in _KNOWN_TYPES]
    close = difflib.get_close_matches(pattern, [*_KNOWN_TYPES, *families], n=1)
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
    the same code and for the same events. Functions that a loop makes, with no app
    joined in between, are different handlers.
    """
    if known.function is new.function or known.function == new.function:
        return True
    known_code = getattr(known.function, "__code__", None)
    is_rerun = known_code is not None and known_code == getattr(new.function, "__code__", None)
    return is_rerun and known.apps < new.apps and set(new.patterns) <= set(known.patterns)


def _union(known: tuple[str, ...], new: tuple[str, ...]) -> tuple[str, ...]:
    # Decorators may be stacked on one function, one for each event.
    return (*known, *(pattern for pattern in new if pattern not in known))


# What is to be run for an event: handlers in order, then the signal's receivers.


class Job(NamedTuple):
    """One thing to run for an event, under a name in the ledger."""

    name: str
    run: Callable[[Event], None]
    skips_stale: bool = False


class Jobs:
    """Knows what an app wants to run for each event."""

    def __init__(self, app: Flask, registry: HandlerRegistry) -> None:
        self._app = app
        self._registry = registry

    def wants(self, event_type: str) -> bool:
        """Whether any handler or receiver is for the type."""
        return self._registry.wants(event_type) or bool(self._receivers(event_type))

    def names_for(self, event_type: str) -> list[str]:
        """Return the ledger's names of all that runs for the type."""
        handlers = [handler.name for handler in self._registry.for_type(event_type)]
        return handlers + [job.name for job in self._receiver_jobs(self._receivers(event_type))]

    def for_event(self, event: Event) -> list[Job]:
        """Return what to run for ``event``, in order.

        Nothing for one of a local type that was received, and not written here.
        """
        if is_local_type(event.type) and not event.local:
            return []
        jobs = [
            Job(handler.name, _handler_call(handler.function), handler.skips_stale)
            for handler in self._registry.for_type(event.type)
        ]
        receivers = self._receivers(event.type)
        return jobs + self._receiver_jobs(receivers) if receivers else jobs

    def _receivers(self, event_type: str) -> list[Callable[..., Any]]:
        signal = signals.for_type(event_type)
        return list(signal.receivers_for(self._app)) if signal.receivers else []

    def _receiver_jobs(self, receivers: list[Callable[..., Any]]) -> list[Job]:
        # Blinker has no order; by name there is one that is the same after a restart.
        named = sorted(((_receiver_name(found), found) for found in receivers), key=lambda n: n[0])
        return [Job(name, self._receiver_call(found)) for name, found in _numbered(named)]

    def _receiver_call(self, receiver: Callable[..., Any]) -> Callable[[Event], None]:
        return lambda event: call(receiver, self._app, event=event)


def _handler_call(function: Callable[..., Any]) -> Callable[[Event], None]:
    return lambda event: call(function, event)


def _receiver_name(receiver: Callable[..., Any]) -> str:
    return f"signal:{name_of(receiver) or type(receiver).__name__}"[:LONGEST_NAME]


def _numbered(
    named: list[tuple[str, Callable[..., Any]]],
) -> list[tuple[str, Callable[..., Any]]]:
    """Tell receivers of the same name apart: ``name``, ``name#2`` …"""
    seen: dict[str, int] = {}
    numbered = []
    for name, receiver in named:
        seen[name] = seen.get(name, 0) + 1
        numbered.append((name if seen[name] == 1 else f"{name}#{seen[name]}", receiver))
    return numbered


def send_robust(signal: NamedSignal, app: Flask, **facts: Any) -> None:
    """Send a signal to each receiver alone: what one raises is logged and changes nothing."""
    if not signal.receivers:
        return
    for receiver in list(signal.receivers_for(app)):
        try:
            call(receiver, app, **facts)
        except Exception:
            logger.exception("A receiver of the signal %s failed.", signal.name)
