"""Choose events on the command line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import click

from ...inbox.queries import EventFilter, EventStory
from ...inbox.records import STATES
from ...state import AppState
from ..moments import MOMENT, as_ms

Command = Callable[..., Any]


def filter_options(command: Command) -> Command:
    """Add the options that choose events."""
    options = [
        click.option("--state", "states", multiple=True, type=click.Choice(STATES)),
        click.option("--type", "types", multiple=True, metavar="TYPE", help="Also payment.*"),
        click.option("--object", "object_id", metavar="ID", help="Such as pay_…"),
        click.option("--since", type=MOMENT, metavar="WHEN", help="2h, 2026-01-31, …"),
        click.option("--until", type=MOMENT, metavar="WHEN"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def asked_for(
    states: tuple[Any, ...],
    types: tuple[str, ...],
    object_id: str | None,
    since: datetime | None,
    until: datetime | None,
) -> EventFilter:
    """Return the filter that the options make."""
    return EventFilter(
        states=states, types=types, object_id=object_id, since=as_ms(since), until=as_ms(until)
    )


def found_event(state: AppState, event_id: str) -> EventStory:
    """Return one event, or end the command."""
    story = state.inbox.browser.story(event_id)
    if story is None:
        raise click.ClickException(f"The inbox has no event {event_id!r}.")
    return story
