"""``events replay``."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ...inbox.queries import EventRow
from ...state import AppState
from ...webhooks import runner as event_run
from .. import with_state
from ..tables import one_line, print_table
from ..terminal import LOG
from .choosing import asked_for, filter_options, found_event


@click.command("replay")
@click.argument("event_ids", nargs=-1)
@filter_options
@click.option("--handler", metavar="NAME", help="Run this one alone, done or not, here and now.")
@click.option("--again", is_flag=True, help="Run the handlers that are done again, too.")
@click.option("--dry-run", is_flag=True, help="Say what would be replayed.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@with_state
def replay(
    state: AppState,
    /,
    event_ids: tuple[str, ...],
    handler: str | None,
    again: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **filters: Any,
) -> None:
    """Handle events once more: those named, or those that the filters choose.

    Handlers that are done stay done, except for an event that is done as a whole: that
    one is replayed on purpose. Handlers get the same idempotency keys as before. It asks
    before it replays what filters choose, what is done or what is in quarantine.
    """
    rows = _leaders(state, _chosen(state, event_ids, filters))
    if handler is not None:
        rows = _wanted_by(state, rows, handler)
    is_plain = not again and not any(row.state in ("done", "quarantined") for row in rows)
    is_certain = yes or (event_ids and is_plain)
    if rows and not (dry_run or is_certain):
        click.confirm(_question(rows, handler, again=again), abort=True, err=as_json)
    results: list[str | None] = [None for _ in rows]
    if rows and not dry_run:
        results = _replay_all(state, rows, handler, again=again)
    _show(rows, results, as_json=as_json)
    failed = [row for row, result in zip(rows, results, strict=True) if result == "failed"]
    if failed:
        _tell_failures(state, failed, handler)
        raise click.exceptions.Exit(1)


def _chosen(state: AppState, event_ids: tuple[str, ...], filters: dict[str, Any]) -> list[EventRow]:
    chooses = any(filters.values())
    if event_ids and chooses:
        raise click.UsageError("Name events, or choose them with options, but not both.")
    if event_ids:
        return [found_event(state, event_id).event for event_id in event_ids]
    if not chooses:
        raise click.UsageError("Name events, or choose them: --state failed, --type …, --since …")
    # The oldest first, as they happened.
    return list(state.inbox.browser.walk(asked_for(**filters)))[::-1]


def _leaders(state: AppState, rows: list[EventRow]) -> list[EventRow]:
    """Put reconcile's own event in the place of each that was handled as that; each once."""
    leaders = [_leader(state, row) for row in rows]
    return list({row.key: row for row in leaders if row is not None}.values())


def _leader(state: AppState, row: EventRow) -> EventRow | None:
    if row.handled_as is None:
        return row
    story = state.inbox.browser.story(row.handled_as)
    said = f"{row.event_id} was handled as {row.handled_as}"
    if story is None:
        click.echo(f"{said}, which was pruned: it can't be replayed.", err=True)
        return None
    click.echo(f"{said}: that one is meant.", err=True)
    return story.event


def _wanted_by(state: AppState, rows: list[EventRow], handler: str) -> list[EventRow]:
    """Leave out the events that are not for the handler.

    :raises ClickException: if none is, for then its name is misspelt.
    """
    jobs = state.event_run.jobs
    names = {row.type: jobs.names_for(row.type) for row in rows}
    wanted = [row for row in rows if handler in names[row.type]]
    if rows and not wanted:
        known = sorted({name for found in names.values() for name in found})
        raise click.ClickException(
            f"None of these events is for a handler called {handler!r}. "
            f"They are for: {', '.join(known) or 'none'}."
        )
    return wanted


def _question(rows: list[EventRow], handler: str | None, *, again: bool) -> str:
    done = sum(row.state == "done" for row in rows)
    what = f"Replay {len(rows)} event{'s' if len(rows) != 1 else ''}"
    if handler is not None:
        return f"{what} for the handler {handler}?"
    if done or again:
        return f"{what}, and run handlers that are done a second time?"
    return f"{what}?"


def _replay_all(
    state: AppState, rows: list[EventRow], handler: str | None, *, again: bool
) -> list[str | None]:
    results: list[str | None] = []
    # Each failure is told at the end, from what is stored of it.
    quiet = LOG.without(event_run.logger.name)
    with quiet, click.progressbar(rows, label="Replaying", file=sys.stderr) as bar:
        for row in bar:
            if handler is not None:
                results.append(state.one_handler.replay(row.key, handler))
            else:
                forget = again or row.state == "done"
                results.append(state.dispatcher.replay(row.key, again=forget))
    return results


def _show(rows: list[EventRow], results: list[str | None], *, as_json: bool) -> None:
    """Print what was replayed with each result, or what would be."""
    if as_json:
        found = [
            {"event_id": row.event_id, "type": row.type, "state": row.state, "result": result}
            for row, result in zip(rows, results, strict=True)
        ]
        click.echo(json.dumps(found, indent=2))
    elif not rows:
        click.echo("No such events.")
    elif any(results):
        counts = sorted({name: results.count(name) for name in results if name}.items())
        click.echo(", ".join(f"{count} {name}" for name, count in counts))
    else:
        print_table(("STATE", "TYPE", "ID"), [(row.state, row.type, row.event_id) for row in rows])


def _tell_failures(state: AppState, rows: list[EventRow], handler: str | None) -> None:
    troubles = state.inbox.browser.troubles(rows, handler=handler)
    for row in rows:
        trouble = troubles.get(row.key)
        why = f"{trouble.handler}: {trouble.error}" if trouble else "it failed"
        click.echo(f"{row.event_id}: {one_line(why)}", err=True)
    shown = rows[0].event_id if len(rows) == 1 else "ID"
    click.echo(f"More: flask paysafer events show {shown}", err=True)
