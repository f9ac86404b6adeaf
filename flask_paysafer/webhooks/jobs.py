"""What is to be run for an event: handlers in order, then the signal's receivers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from blinker import NamedSignal
from flask import Flask

from .. import signals
from ..resources import Event
from .calling import call
from .handlers import LONGEST_NAME, HandlerRegistry, name_of

logger = logging.getLogger(__name__)


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
        """Return what to run for ``event``, in order."""
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


def tell_observers(signal: NamedSignal, app: Flask, **facts: Any) -> None:
    """Send a signal to each receiver alone: what one raises is logged and changes nothing."""
    if not signal.receivers:
        return
    for receiver in list(signal.receivers_for(app)):
        try:
            call(receiver, app, **facts)
        except Exception:
            logger.exception("A receiver of the signal %s failed.", signal.name)
