"""Hand stored events to the workers."""

from __future__ import annotations

from ..inbox.records import Recorded
from ..inbox.store import Inbox
from ..resources import Event
from ..webhooks.dispatch import EventRun
from ..webhooks.results import DispatchResult
from .publishing import Publisher


class CeleryDispatcher:
    """Answers at once: the event is stored, and a worker is told."""

    def __init__(self, run: EventRun, inbox: Inbox, publisher: Publisher) -> None:
        self._run = run
        self._inbox = inbox
        self._publisher = publisher

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""
        return self._run.jobs.wants(event.type)

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Tell a worker of the event. With the broker down the next sweep does.

        An event that comes again although it was answered was sent again by hand: if
        its attempts are used up, it gets new ones.
        """
        if recorded.is_new:
            self._run.announce(event)
        elif recorded.state in ("done", "quarantined"):
            return "done"
        elif recorded.state != "processing":
            self._inbox.claims.make_due(recorded.key)
        self._publisher.publish(recorded.key)
        return "queued"

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Have a worker handle a stored event once more."""
        if not self._inbox.upkeep.requeue(key, again=again):
            return "busy"
        self._publisher.publish(key)
        return "queued"
