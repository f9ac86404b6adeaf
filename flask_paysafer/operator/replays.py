"""What a replay would run, and what of it has run before: decided before anything runs.

Whatever has run once may have fulfilled an order, so its second run is confirmed by a person
who has read its name. That holds for a copy with other content under a known event id too:
the copy has no executions of its own, and its original may have all of them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from ..errors import InvalidPayloadError
from ..events import Event

if TYPE_CHECKING:
    from ..inbox.queries import EventStory
    from ..state import AppState


class ReplayPlan(NamedTuple):
    """The handlers that a replay would run now."""

    runs: list[str]
    again: list[str]
    """Those of them that have run before, for this event or for its original."""
    original: EventStory | None
    """The stored event of which this one is a copy with other content."""

    @property
    def needs_confirmation(self) -> bool:
        """Whether a person has to agree first."""
        return bool(self.again) or self.original is not None

    @property
    def digest(self) -> str:
        """A short name of this very plan: another one is confirmed anew."""
        original = self.original and self.original.event.event_id
        text = json.dumps([self.runs, self.again, original])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def plan_of(state: AppState, story: EventStory, handler: str | None) -> ReplayPlan:
    """Return what a replay of the event would run.

    :param handler: The one that is to run; None for all that the event still asks for.
    """
    event = _event_in(state, story)
    original = None if event is None else _original_of(state, story, event)
    names = [] if event is None else state.event_run.jobs.names_for(event.type)
    done = {run["handler"] for run in story.runs}
    if handler is not None:
        runs = [name for name in names if name == handler]
    else:
        runs = [name for name in names if story.event.state == "done" or name not in done]
    if original is not None:
        done |= {run["handler"] for run in original.runs}
    return ReplayPlan(runs, [name for name in runs if name in done], original)


def _event_in(state: AppState, story: EventStory) -> Event | None:
    if story.payload is None:
        return None
    try:
        return Event.from_json(story.payload, state.inbox.profile)
    except InvalidPayloadError:
        return None


def _original_of(state: AppState, story: EventStory, event: Event) -> EventStory | None:
    if event.id == story.event.event_id:
        return None
    return state.inbox.browser.story(event.id)
