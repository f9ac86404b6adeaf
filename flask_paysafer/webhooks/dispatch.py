"""Take a stored event to its handlers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..inbox.records import Recorded
from ..resources import Event
from .backlog import Backlog
from .event_run import EventRun, Retrieve
from .results import DispatchResult

if TYPE_CHECKING:
    from ..inbox.store import Inbox

__all__ = ["Dispatcher", "EventRun", "InlineDispatcher", "Retrieve"]


class Dispatcher(Protocol):
    """Takes a stored event to its handlers."""

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Have the event handled, now or later."""

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Have a stored event handled once more, by a person's decision.

        :param again: Also run the handlers that are done.
        """


class InlineDispatcher:
    """Runs handlers where the event came in, before it is answered."""

    def __init__(self, run: EventRun, inbox: Inbox) -> None:
        self._run = run
        self._inbox = inbox

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""
        return self._run.jobs.wants(event.type)

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Run the handlers that are not yet done.

        :raises InboxUnavailableError: if the outcome could not be stored.
        """
        if recorded.is_new:
            self._run.announce(event)
        if recorded.state in ("done", "quarantined"):
            return "done"
        claim = recorded.claim or self._inbox.claims.take(recorded.key)
        if claim is None:
            return "done" if self._inbox.claims.state_of(recorded.key) == "done" else "busy"
        return self._run.run(claim, event)

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Handle a stored event once more, here and now."""
        if not self._inbox.upkeep.requeue(key, again=again):
            return "busy"
        return Backlog(self._run, self._inbox).handle(key)
