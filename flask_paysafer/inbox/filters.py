"""Which events a person asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, or_

from .records import State
from .schema import NEVER


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """Everything is asked for unless a field narrows it."""

    states: Sequence[State] = ()
    types: Sequence[str] = ()
    """Exact types, or families such as ``payment.*``."""
    object_id: str | None = None
    since: int | None = None
    """Received at or after this moment, in UTC milliseconds."""
    until: int | None = None
    """Received before this moment, in UTC milliseconds."""

    @property
    def is_of_unfinished(self) -> bool:
        """Whether the index of unfinished events holds all that is asked for."""
        return bool(self.states) and not set(self.states) & {"done", "ignored"}

    def conditions(self, event: Table) -> list[ColumnElement[bool]]:
        """Return the filter in SQL."""
        found: list[ColumnElement[bool]] = []
        if self.states:
            found.append(event.c.state.in_(self.states))
        if self.is_of_unfinished:
            found.append(_is_indexed(event, self.states))
        if self.types:
            found.append(or_(*(_is_type(event, wanted) for wanted in self.types)))
        if self.object_id is not None:
            found.append(event.c.object_id == self.object_id)
        if self.since is not None:
            found.append(event.c.received_at >= self.since)
        if self.until is not None:
            found.append(event.c.received_at < self.until)
        return found


ALL = EventFilter()
"""Every event."""


def _is_indexed(event: Table, states: Sequence[State]) -> ColumnElement[bool]:
    """Say what is true of ``due_at`` in these states, so that its index finds the rows."""
    if set(states) <= {"failed", "quarantined"}:
        return event.c.due_at >= NEVER
    return event.c.due_at.is_not(None)


def _is_type(event: Table, wanted: str) -> ColumnElement[bool]:
    if wanted.endswith("*"):
        return event.c.type.startswith(wanted[:-1], autoescape=True)
    return event.c.type == wanted
