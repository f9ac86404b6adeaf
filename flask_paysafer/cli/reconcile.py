"""``flask paysafer reconcile``: find missed events, and have them handled."""

from __future__ import annotations

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError, PaySaferError
from ..money import Money
from ..state import AppState
from . import with_state
from .arguments import MOMENT
from .output import CommandError, counted, progress, say, say_cells
from .reconciliation import Apply, MissedChange, PaymentPages, Search, Seen

_SLACK = 600
MISSED = 3
"""The exit code where something was missed and not applied."""
_COLOURS = {"handled": "green", "arrived": "green", "missed": "yellow", "busy": "yellow"}


@click.command()
@click.option(
    "--since",
    type=MOMENT,
    default="48h",
    show_default=True,
    metavar="WHEN",
    help="How far back: 48h, 7d, or a time such as 2026-01-31T12:00+04:00.",
)
@click.option("--apply", "applies", is_flag=True, help="Run the handlers for what was missed.")
@click.option("--resume", is_flag=True, help="Go on where the last reconcile was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@with_state
def reconcile(
    state: AppState, *, since: datetime, applies: bool, resume: bool, as_json: bool
) -> None:
    """Find missed events.

    Compares the API's payments, newest first, with the inbox, and shows the changes
    that a handler is for and that no event reported. Each is handled once: if its real event
    still arrives, it does nothing again. Exits with 1 if a handler failed, and with 3 if
    something was missed and not applied.
    """
    bookmark = Bookmark(state)
    place = bookmark.read() if resume else Place(int(since.timestamp()))
    report = Report(as_json=as_json)
    try:
        _go(state, place, bookmark, report, applies=applies)
    except PaySaferError as error:
        has_begun = resume or report.payments
        hint = "\nGo on from here with --resume." if has_begun else ""
        raise CommandError(f"{error}{hint}") from error
    report.end(applied=applies)
    if report.outcomes["failed"]:
        click.get_current_context().exit(1)
    if report.outcomes["missed"]:
        click.get_current_context().exit(MISSED)


def _go(
    state: AppState, place: Place, bookmark: Bookmark, report: Report, *, applies: bool
) -> None:
    inbox, wants = state.inbox, state.event_run.jobs.wants
    begun = inbox.browser.now()
    with inbox.database.connected() as connection:
        first_key = partial(inbox.browser.first_key_since, connection)
        from_key = first_key((place.since - _SLACK) * 1000)
        late_key = first_key(begun - _SLACK * 1000)
    applying = Apply(state, late_key=late_key) if applies else None
    length = int(time.time()) - place.since
    with Seen(inbox.facts.told_by_events(from_key)) as seen, _back_in_time(length) as move_to:
        search = Search(inbox, seen, wants)
        for batch in PaymentPages(state.client, since=place.since, after=place.after):
            missed = search.missed(batch.payments)
            _treat(missed, batch.seen_at, applying, report)
            report.payments += len(batch.payments)
            if batch.payments:
                move_to(batch.payments[-1].created)
                bookmark.put(Place(place.since, batch.payments[-1].id))
    bookmark.remove()


@contextmanager
def _back_in_time(seconds: int) -> Iterator[Callable[[int], None]]:
    """Show how far back in time it is; yield a function that takes the time reached."""
    at = time.time()

    def move_to(moment: int) -> None:
        nonlocal at
        advance(max(0, int(at - moment)))
        at = min(at, moment)

    with progress("Back in time", max(1, seconds), counts=False) as advance:
        yield move_to


def _treat(
    missed: list[MissedChange], seen_at: int, applying: Apply | None, report: Report
) -> None:
    if applying is None:
        for one in missed:
            report.row(one, "missed")
    elif missed:
        for one, outcome in applying.apply(missed, seen_at=seen_at):
            report.row(one, outcome)


@dataclass(frozen=True)
class Place:
    """How far a reconcile has come."""

    since: int
    """Unix seconds: where it ends."""
    after: str | None = None
    """The last payment that was looked at."""


class Bookmark:
    """A small file in the instance folder. Where that can't be written, nothing is kept."""

    def __init__(self, state: AppState) -> None:
        self._path = Path(state.app.instance_path) / f"{state.config.name}-reconcile.json"

    def read(self) -> Place:
        """Return the place where the last reconcile was interrupted.

        :raises ConfigurationError: if none was.
        """
        try:
            return Place(**json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            raise ConfigurationError(
                "No interrupted reconcile is known here. Begin one with --since 48h."
            ) from None

    def put(self, place: Place) -> None:
        """Keep the place."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(asdict(place)), "utf-8")

    def remove(self) -> None:
        """Forget it: the end was reached."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)


_COLOURS = {"handled": "green", "arrived": "green", "missed": "yellow", "busy": "yellow"}


class Report:
    """Prints a row for each missed change as it is found, and the totals last."""

    def __init__(self, *, as_json: bool) -> None:
        self.payments = 0
        self.outcomes: Counter[str] = Counter()
        self._as_json = as_json

    def row(self, missed: MissedChange, outcome: str) -> None:
        """Print what became of one change."""
        self.outcomes[outcome] += 1
        if self._as_json:
            click.echo(json.dumps(_entry(missed, outcome)))
            return
        style = f"bold {_COLOURS.get(outcome, 'red')}"
        say_cells(_cells(missed), lead=f"{outcome:<9}", style=style)

    def end(self, *, applied: bool) -> None:
        """Print the totals."""
        looked = f"{counted(self.payments, 'payment')} looked at"
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        if self._as_json:
            totals = {"payments": self.payments, **self.outcomes}
            click.echo(json.dumps({"summary": totals}))
        elif not self.outcomes:
            say(f"{looked}: the inbox knows of all that happened.", style="bold green")
        else:
            if not applied:
                say("Run the handlers for them with --apply.")
            say(f"{looked}: {counts}.", style="bold")


def _cells(missed: MissedChange) -> tuple[str, ...]:
    payment = missed.payment
    when = payment.created_at.strftime("%Y-%m-%d %H:%M UTC")
    amount = missed.fact.amount or payment.amount
    return (missed.fact.type, payment.id, when, str(Money(amount, payment.currency)))


def _entry(missed: MissedChange, outcome: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "fact": missed.fact.name,
        "type": missed.fact.type,
        "payment": missed.fact.object_id,
        "amount": missed.fact.amount or missed.payment.amount,
        "currency": missed.payment.currency,
        "created": missed.payment.created,
    }
