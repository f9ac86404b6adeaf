"""``events replay``, ``sweep``, ``prune`` and ``reencrypt``."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from ...inbox.browse import EventRow
from ...inbox.filters import EventFilter
from ...inbox.records import STATES
from ...inbox.upkeep import PRUNED
from ...state import AppState
from .. import with_state
from ..moments import AGE, shown
from ..tables import print_table
from .choosing import asked_for, filter_options, found_event


@click.command("replay")
@click.argument("event_ids", nargs=-1)
@filter_options
@click.option("--handler", metavar="NAME", help="Run this one alone, though it is done.")
@click.option("--again", is_flag=True, help="Run the handlers that are done again, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def replay(
    state: AppState,
    /,
    event_ids: tuple[str, ...],
    handler: str | None,
    again: bool,
    dry_run: bool,
    yes: bool,
    **filters: Any,
) -> None:
    """Handle events once more: those named, or those that the filters choose.

    Handlers that are done stay done, except for an event that is done as a whole: that
    one is replayed on purpose. Handlers get the same idempotency keys as before. It asks
    before it replays what filters choose, or what is done.
    """
    rows = _chosen(state, event_ids, filters)
    if dry_run:
        print_table(("STATE", "TYPE", "ID"), [(row.state, row.type, row.event_id) for row in rows])
        return
    if not rows:
        click.echo("No such events.")
        return
    if not yes and (not event_ids or again or any(row.state == "done" for row in rows)):
        click.confirm(_question(rows, handler, again=again), abort=True)
    _replay_all(state, rows, handler, again=again)


def _chosen(state: AppState, event_ids: tuple[str, ...], filters: dict[str, Any]) -> list[EventRow]:
    if event_ids:
        return [found_event(state, event_id).event for event_id in event_ids]
    if not any(filters.values()):
        raise click.UsageError("Name events, or choose them: --state failed, --type …, --since …")
    # The oldest first, as they happened.
    return list(state.inbox.browser.walk(asked_for(**filters)))[::-1]


def _question(rows: list[EventRow], handler: str | None, *, again: bool) -> str:
    done = sum(row.state == "done" for row in rows)
    what = f"Replay {len(rows)} event{'s' if len(rows) != 1 else ''}"
    if handler is not None:
        return f"{what} for the handler {handler}?"
    if done or again:
        return f"{what}, and run handlers that are done a second time?"
    return f"{what}?"


def _replay_all(state: AppState, rows: list[EventRow], handler: str | None, *, again: bool) -> None:
    outcomes: dict[str, int] = {}
    with click.progressbar(rows, label="Replaying") as bar:
        for row in bar:
            forget = again or row.state == "done"
            result = state.dispatcher.replay(row.key, again=forget, handler=handler)
            outcomes[result] = outcomes.get(result, 0) + 1
    click.echo(", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))
    if outcomes.get("failed"):
        raise click.exceptions.Exit(1)


@click.command("sweep")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@with_state
def sweep(state: AppState, limit: int) -> None:
    """Handle what is due here and now: what a broker lost or a dead worker left."""
    handled = state.backlog.sweep(limit)
    click.echo(f"{len(handled)} due, {handled.count('done')} done.")
    if "failed" in handled:
        raise click.exceptions.Exit(1)


@click.command("prune")
@click.option(
    "--older-than",
    "--days",
    "older_than",
    type=AGE,
    required=True,
    metavar="AGE",
    help="Such as 90d; a number alone is days.",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES),
    help="By default done and ignored; failed and quarantined stay until named.",
)
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def prune(
    state: AppState, older_than: timedelta, states: tuple[Any, ...], dry_run: bool, yes: bool
) -> None:
    """Delete old events with their deliveries, runs and errors.

    A pruned event that PaySafer sends again is a new one: keep what may still come. It asks
    before it deletes events in states that you name.
    """
    until = state.inbox.browser.now() - round(older_than.total_seconds() * 1000)
    wanted = EventFilter(states=states or PRUNED, until=until)
    count = state.inbox.browser.count(wanted)
    click.echo(f"{count} events are older than {shown(until)} UTC.")
    if dry_run or not count:
        return
    if states and not yes:
        click.confirm("Delete them for good?", abort=True)
    with click.progressbar(length=count, label="Pruning") as bar:
        for deleted in state.inbox.upkeep.prune(wanted):
            bar.update(deleted)


@click.command("reencrypt")
@with_state
def reencrypt(state: AppState) -> None:
    """Encrypt every payload with the first key, so that older keys can be dropped."""
    inbox = state.inbox
    if not inbox.seal.encrypts:
        raise click.ClickException(f"{state.config.setting('INBOX_ENCRYPTION_KEY')} is not set.")
    readable = list(inbox.upkeep.reencrypt())
    unreadable = readable.count(False)
    click.echo(f"{len(readable) - unreadable} payloads are encrypted with the first key.")
    if unreadable:
        raise click.ClickException(
            f"{unreadable} payloads can't be read with the keys that are set; they were left alone."
        )
