"""``flask paysafer events``: look at the inbox, replay, sweep and prune it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import click

from ..inbox.maintenance import KEPT_DAYS, LEAST_KEPT_DAYS, PRUNED
from ..inbox.queries import EventFilter, EventRow, EventStory, Trouble, note_of
from ..inbox.records import STATES
from ..state import AppState
from ..webhooks import runner as event_run
from . import with_state
from .arguments import AGE, MOMENT, as_ms, shown
from .output import (
    LOG,
    CommandError,
    counted,
    heading,
    listed,
    print_facts,
    print_table,
    progress,
    say,
)

Command = Callable[..., Any]


@click.group("events")
def events() -> None:
    """Look at webhook events, and replay, sweep or prune them."""


def _filter_options(command: Command) -> Command:
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


def _asked_for(
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


def _found_event(state: AppState, event_id: str) -> EventStory:
    """Return one event, or end the command."""
    story = state.inbox.browser.story(event_id)
    if story is None:
        raise CommandError(f"The inbox has no event {event_id!r}.")
    return story


@events.command("list")
@_filter_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@with_state
def list_events(state: AppState, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List events, the newest first."""
    rows = state.inbox.browser.find(_asked_for(**filters), limit=limit)
    troubles = state.inbox.browser.troubles(rows)
    if as_json:
        entries = [_entry(row, troubles.get(row.key)) for row in rows]
        click.echo(json.dumps(entries, indent=2))
        return
    if not rows:
        say("No matches.")
        return
    titles = ("RECEIVED", "STATE", "TYPE", "OBJECT", "FAILURES", "ID", "NOTE")
    print_table(titles, (_cells(row, troubles.get(row.key)) for row in rows))
    if len(rows) == limit:
        say(f"The newest {limit}; --limit shows more.", err=True)


def _entry(row: EventRow, trouble: Trouble | None) -> dict[str, Any]:
    last = trouble and {"handler": trouble.handler, "error": trouble.error}
    return {
        **asdict(row),
        "failure_count": trouble.failures if trouble else 0,
        "last_failure": last,
    }


def _cells(row: EventRow, trouble: Trouble | None) -> tuple[object, ...]:
    return (
        shown(row.received_at),
        row.state,
        row.type or "–",
        row.object_id,
        trouble.failures if trouble else 0,
        row.event_id,
        note_of(row, trouble),
    )


@events.command("show")
@click.argument("event_id")
@click.option("--json", "as_json", is_flag=True)
@with_state
def show_event(state: AppState, event_id: str, as_json: bool) -> None:
    """Show one event: its payload, deliveries, handler runs and errors."""
    story = _found_event(state, event_id)
    if as_json:
        click.echo(json.dumps(story.as_dict(), indent=2))
        return
    _print_facts(story)
    _print_rows("Later deliveries", story.deliveries, "delivered_at")
    _print_rows("Handlers that are done", story.runs, "done_at")
    _print_rows("Failures", _numbered(story.failures), "failed_at")
    _print_last_error(story.failures)
    heading("Payload")
    say(_readable(story.payload))


def _print_facts(story: EventStory) -> None:
    row = story.event
    facts = {
        "Event": row.event_id,
        "Type": row.type or "–",
        "State": f"{row.state} ({noted})" if (noted := note_of(row, None)) else row.state,
        "Object": row.object_id or "–",
        "Received": shown(row.received_at),
        "Finished": shown(row.finished_at),
        "Attempts": _attempts(story),
        "Verified with": row.verified_with or "–",
        "Encrypted": "yes" if row.encrypted else "no",
    }
    print_facts(facts)


def _attempts(story: EventStory) -> str:
    """Return how often it was tried; a replay counts anew, so that it has all its attempts."""
    replays = sum(delivery["found"] == "replay" for delivery in story.deliveries)
    since = " since the last replay" if replays else ""
    return f"{story.event.attempts}{since}"


def _numbered(failures: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Number the failures in their order, for the attempts begin anew with every replay."""
    return [
        {
            "number": number,
            **{name: value for name, value in failure.items() if name != "attempt"},
        }
        for number, failure in enumerate(failures, start=1)
    ]


def _print_rows(title: str, rows: list[dict[str, Any]], when: str) -> None:
    if not rows:
        return
    heading(title)
    names = [name for name in rows[0] if name != when]
    print_table(
        ("WHEN", *(name.upper().replace("_", " ") for name in names)),
        [(shown(row[when]), *(_first_line(row[name]) for name in names)) for row in rows],
    )


def _print_last_error(failures: list[dict[str, Any]]) -> None:
    """Print the whole of the last failure, with where in the shop's code it was raised."""
    if not failures:
        return
    heading("The last failure")
    say(failures[-1]["error"])


def _first_line(value: object) -> object:
    return value.partition("\n")[0] if isinstance(value, str) else value


def _readable(payload: bytes | None) -> str:
    if payload is None:
        return "(encrypted with a key that is not among those set; it is kept as it is)"
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=True)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return ascii(payload.decode(errors="replace"))[1:-1]


@events.command("stats")
@_filter_options
@click.option("--json", "as_json", is_flag=True)
@with_state
def stats(state: AppState, /, as_json: bool, **filters: Any) -> None:
    """Count events by state, and say how long the oldest has been waiting."""
    browser, wanted = state.inbox.browser, _asked_for(**filters)
    counts, waiting = browser.counts(wanted), browser.oldest_due(wanted)
    failing = browser.with_failures(wanted)
    if as_json:
        found = {"counts": counts, "with_failures": failing, "oldest_due_seconds": waiting}
        click.echo(json.dumps(found))
        return
    print_table(("STATE", "EVENTS"), counts.items())
    if failing:
        say(f"{failing} unfinished events have failures; events list shows them.")
    say(_waiting(waiting))


def _waiting(seconds: float | None) -> str:
    if seconds is None:
        return "Nothing is due."
    return (
        f"The longest waiting event has been due for {seconds:.0f} s; "
        "flask paysafer events sweep handles what is due."
    )


@events.command("replay")
@click.argument("event_ids", nargs=-1)
@_filter_options
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
    failed = [row for row, result in zip(rows, results, strict=True) if result == "failed"]
    if failed:
        _print_failures(state, failed, handler)
    _show_results(rows, results, as_json=as_json)
    if failed:
        raise click.exceptions.Exit(1)


def _chosen(state: AppState, event_ids: tuple[str, ...], filters: dict[str, Any]) -> list[EventRow]:
    chooses = any(filters.values())
    if event_ids and chooses:
        raise click.UsageError("Name events, or choose them with options, but not both.")
    if event_ids:
        return [_found_event(state, event_id).event for event_id in event_ids]
    if not chooses:
        raise click.UsageError("Name events, or choose them: --state failed, --type …, --since …")
    # The oldest first, as they happened.
    return list(state.inbox.browser.walk(_asked_for(**filters)))[::-1]


def _leaders(state: AppState, rows: list[EventRow]) -> list[EventRow]:
    """Put reconcile's own event in the place of each that was handled as that; each once."""
    leaders = [_leader(state, row) for row in rows]
    return list({row.key: row for row in leaders if row is not None}.values())


def _leader(state: AppState, row: EventRow) -> EventRow | None:
    if row.state == "pruned":
        say(f"{row.event_id} was pruned: it can't be replayed.", err=True)
        return None
    if row.handled_as is None:
        return row
    story = state.inbox.browser.story(row.handled_as)
    said = f"{row.event_id} was handled as {row.handled_as}"
    if story is None or story.event.state == "pruned":
        say(f"{said}, which was pruned: it can't be replayed.", err=True)
        return None
    say(f"{said}: that one is meant.", err=True)
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
        raise CommandError(
            f"None of these events is for a handler called {handler!r}. "
            f"They are for: {', '.join(known) or 'none'}."
        )
    return wanted


def _question(rows: list[EventRow], handler: str | None, *, again: bool) -> str:
    done = sum(row.state == "done" for row in rows)
    what = f"Replay {counted(len(rows), 'event')}"
    if handler is not None:
        return f"{what} for the handler {handler}?"
    if done or again:
        return f"{what}, and run handlers that are done a second time?"
    return f"{what}?"


def _replay_all(
    state: AppState, rows: list[EventRow], handler: str | None, *, again: bool
) -> list[str | None]:
    results: list[str | None] = []
    # Each failure is printed at the end, from what is stored of it.
    quiet = LOG.without(event_run.logger.name)
    with quiet, progress("Replaying", len(rows)) as advance:
        for row in rows:
            if handler is not None:
                results.append(state.backlog.replay_handler(row.key, handler))
            else:
                forget = again or row.state == "done"
                results.append(state.dispatcher.replay(row.key, again=forget))
            advance(1)
    return results


def _show_results(rows: list[EventRow], results: list[str | None], *, as_json: bool) -> None:
    """Print what was replayed with each result, or what would be."""
    if as_json:
        found = [
            {"event_id": row.event_id, "type": row.type, "state": row.state, "result": result}
            for row, result in zip(rows, results, strict=True)
        ]
        click.echo(json.dumps(found, indent=2))
    elif not rows:
        say("No matches.")
    elif any(results):
        counts = sorted({name: results.count(name) for name in results if name}.items())
        say(", ".join(f"{count} {name}" for name, count in counts))
    else:
        print_table(("STATE", "TYPE", "ID"), [(row.state, row.type, row.event_id) for row in rows])


def _print_failures(state: AppState, rows: list[EventRow], handler: str | None) -> None:
    """Print each error once, with the events that it concerns."""
    troubles = state.inbox.browser.troubles(rows, handler=handler)
    causes: dict[str, list[str]] = {}
    for row in rows:
        trouble = troubles.get(row.key)
        cause = f"{trouble.handler}: {trouble.error}" if trouble else "The handlers failed."
        causes.setdefault(cause, []).append(row.event_id)
    for cause, event_ids in causes.items():
        say(cause, lead=f"{len(event_ids)} failed  ", style="bold red", err=True)
        say(listed(event_ids), indent=4, err=True)
    say(f"More: flask paysafer events show {rows[0].event_id}", err=True)


@events.command("sweep")
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True)
@with_state
def sweep(state: AppState, limit: int, as_json: bool) -> None:
    """Handle what is due here and now: what a broker lost, a dead worker left, or has expired."""
    state.sweep_checkouts()
    handled = state.backlog.sweep(limit)
    done, failed = handled.count("done"), handled.count("failed")
    if as_json:
        click.echo(json.dumps({"due": len(handled), "done": done, "failed": failed}))
    else:
        say(
            f"{len(handled)} due, {done} done, {failed} failed."
            if failed
            else f"{len(handled)} due, {done} done."
        )
    if failed:
        raise click.exceptions.Exit(1)


@events.command("prune")
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
@click.option(
    "--forget",
    type=AGE,
    default=f"{KEPT_DAYS}d",
    show_default=True,
    metavar="AGE",
    help=f"For how long ids are kept, at least {LEAST_KEPT_DAYS}d.",
)
@click.option("--dry-run", is_flag=True, help="Count only.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--json", "as_json", is_flag=True)
@with_state
def prune(
    state: AppState,
    older_than: timedelta,
    states: tuple[Any, ...],
    types: tuple[str, ...],
    forget: timedelta,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Empty old events: payload, deliveries, executions and errors are deleted.

    The ids are kept for --forget, so that an event that PaySafer sends again is known and not
    handled again. It asks before it empties events in states that you name.
    """
    if forget < timedelta(days=LEAST_KEPT_DAYS):
        raise click.UsageError(f"--forget is at least {LEAST_KEPT_DAYS}d.")
    now = state.inbox.browser.now()
    until = now - round(older_than.total_seconds() * 1000)
    wanted = EventFilter(states=states or PRUNED, types=types, until=until)
    count = state.inbox.browser.count(wanted)
    say(f"{count} events are older than {shown(until)}.", err=as_json)
    pruned = forgotten = 0
    if count and not dry_run:
        if states and not yes:
            click.confirm("Empty them for good?", abort=True, err=as_json)
        pruned = _prune(state, wanted, count)
    if not dry_run:
        kept = round(forget.total_seconds() * 1000)
        forgotten = sum(state.inbox.upkeep.forget(now - kept))
    if as_json:
        click.echo(json.dumps({"events": count, "pruned": pruned, "forgotten": forgotten}))


def _prune(state: AppState, wanted: EventFilter, count: int) -> int:
    pruned = 0
    with progress("Pruning", count) as advance:
        for batch in state.inbox.upkeep.prune(wanted):
            pruned += batch
            advance(batch)
    return pruned


@events.command("reencrypt")
@with_state
def reencrypt(state: AppState) -> None:
    """Encrypt every payload with the first key, so that older keys can be dropped."""
    inbox = state.inbox
    if not inbox.seal.encrypts:
        raise CommandError(f"{state.config.setting('INBOX_ENCRYPTION_KEY')} is not set.")
    readable = list(inbox.upkeep.reencrypt())
    unreadable = readable.count(False)
    say(f"{len(readable) - unreadable} payloads are encrypted with the first key.")
    if unreadable:
        raise CommandError(
            f"{unreadable} payloads can't be read with the keys that are set; they were left alone."
        )
