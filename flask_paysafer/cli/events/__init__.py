"""``flask paysafer events``: look at the inbox, replay, sweep and prune it."""

from __future__ import annotations

import click

from .changing import prune, reencrypt, sweep
from .looking import list_events, show_event, stats
from .replaying import replay


@click.group("events")
def events() -> None:
    """Look at webhook events, and replay, sweep or prune them."""


for _command in (list_events, show_event, stats, replay, sweep, prune, reencrypt):
    events.add_command(_command)
