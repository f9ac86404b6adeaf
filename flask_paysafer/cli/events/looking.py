"""``events list``, ``show`` and ``stats``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from ...inbox.queries import EventRow, EventStory, Trouble, note_of
from ...state import AppState
from .. import with_state
from ..moments import shown
from ..tables import one_line, print_table
from .choosing import asked_for, filter_options, found_event


@click.command("list")
@filter_options
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@with_state
def list_events(state: AppState, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List events, the newest first."""
    rows = state.inbox.browser.find(asked_for(**filters), limit=limit)
    troubles = state.inbox.browser.troubles(rows)
    if as_json:
        entries = [_entry(row, troubles.get(row.key)) for row in rows]
        click.echo(json.dumps(entries, indent=2))
        return
    if not rows:
        click.echo("No such events.")
        return
    titles = ("RECEIVED (UTC)", "STATE", "TYPE", "OBJECT", "FAILURES", "ID", "NOTE")
    print_table(titles, (_cells(row, troubles.get(row.key)) for row in rows))
    if len(rows) == limit:
        click.echo(f"The newest {limit}; --limit shows more.", err=True)


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


@click.command("show")
@click.argument("event_id")
@click.option("--json", "as_json", is_flag=True)
@with_state
def show_event(state: AppState, event_id: str, as_json: bool) -> None:
    """Show one event: its payload, deliveries, handler runs and errors."""
    story = found_event(state, event_id)
    if as_json:
        click.echo(json.dumps(story.as_dict(), indent=2))
        return
    _print_facts(story)
    _print_rows("Later deliveries", story.deliveries, "delivered_at")
    _print_rows("Handlers that are done", story.runs, "done_at")
    _print_rows("Failures", _numbered(story.failures), "failed_at")
    _print_last_error(story.failures)
    click.secho("\nPayload", bold=True)
    click.echo(_readable(story.payload))


def _print_facts(story: EventStory) -> None:
    row = story.event
    facts = {
        "Event": row.event_id,
        "Type": row.type or "–",
        "State": row.state + (f" ({row.note})" if row.note else ""),
        "Object": row.object_id or "–",
        "Received": shown(row.received_at),
        "Finished": shown(row.finished_at),
        "Attempts": _attempts(story),
        "Verified with": row.verified_with or "–",
        "Encrypted": "yes" if row.encrypted else "no",
    }
    for name, value in facts.items():
        click.echo(f"{name + ':':<15}{value}")


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
    click.secho(f"\n{title}", bold=True)
    names = [name for name in rows[0] if name != when]
    print_table(
        ("WHEN (UTC)", *(name.upper().replace("_", " ") for name in names)),
        [(shown(row[when]), *(_first_line(row[name]) for name in names)) for row in rows],
    )


def _print_last_error(failures: list[dict[str, Any]]) -> None:
    """Print the whole of the last failure, with where in the shop's code it was raised."""
    if not failures:
        return
    click.secho("\nThe last failure", bold=True)
    for line in failures[-1]["error"].splitlines():
        click.echo(one_line(line))


def _first_line(value: object) -> object:
    return value.partition("\n")[0] if isinstance(value, str) else value


def _readable(payload: bytes | None) -> str:
    if payload is None:
        return "(encrypted with a key that is not among those set; it is kept as it is)"
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=True)
    except (ValueError, RecursionError):  # no JSON, or nested without end
        return ascii(payload.decode(errors="replace"))[1:-1]


@click.command("stats")
@filter_options
@click.option("--json", "as_json", is_flag=True)
@with_state
def stats(state: AppState, /, as_json: bool, **filters: Any) -> None:
    """Count events by state, and say how long the oldest has been waiting."""
    browser, wanted = state.inbox.browser, asked_for(**filters)
    counts, waiting = browser.counts(wanted), browser.oldest_due(wanted)
    if as_json:
        click.echo(json.dumps({"counts": counts, "oldest_due_seconds": waiting}))
        return
    print_table(("STATE", "EVENTS"), counts.items())
    click.echo(_waiting(waiting))


def _waiting(seconds: float | None) -> str:
    if seconds is None:
        return "Nothing is due."
    return (
        f"The longest waiting event has been due for {seconds:.0f} s; "
        "flask paysafer events sweep handles what is due."
    )
