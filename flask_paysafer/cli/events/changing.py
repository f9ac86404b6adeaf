"""``events sweep``, ``prune`` and ``reencrypt``."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import Any

import click

from ...inbox.maintenance import PRUNED
from ...inbox.queries import EventFilter
from ...inbox.records import STATES
from ...state import AppState
from .. import with_state
from ..moments import AGE, shown


@click.command("sweep")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
@with_state
def sweep(state: AppState, limit: int, as_json: bool) -> None:
    """Handle what is due here and now: what a broker lost or a dead worker left."""
    handled = state.backlog.sweep(limit)
    done, failed = handled.count("done"), handled.count("failed")
    if as_json:
        click.echo(json.dumps({"due": len(handled), "done": done, "failed": failed}))
    else:
        click.echo(f"{len(handled)} due, {done} done.")
    if failed:
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
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Also payment.*")
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True)
@with_state
def prune(
    state: AppState,
    older_than: timedelta,
    states: tuple[Any, ...],
    types: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Delete old events with their deliveries, runs and errors.

    A pruned event that PaySafer sends again is a new one: keep what may still come. It asks
    before it deletes events in states that you name.
    """
    until = state.inbox.browser.now() - round(older_than.total_seconds() * 1000)
    wanted = EventFilter(states=states or PRUNED, types=types, until=until)
    count = state.inbox.browser.count(wanted)
    click.echo(f"{count} events are older than {shown(until)} UTC.", err=as_json)
    deleted = 0
    if count and not dry_run:
        if states and not yes:
            click.confirm("Delete them for good?", abort=True, err=as_json)
        deleted = _prune(state, wanted, count)
    if as_json:
        click.echo(json.dumps({"events": count, "deleted": deleted}))


def _prune(state: AppState, wanted: EventFilter, count: int) -> int:
    deleted = 0
    with click.progressbar(length=count, label="Pruning", file=sys.stderr) as bar:
        for batch in state.inbox.upkeep.prune(wanted):
            deleted += batch
            bar.update(batch)
    return deleted


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
