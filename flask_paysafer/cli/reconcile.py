"""``flask paysafer reconcile``: find what no event told of, and have it handled."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError, PaySaferError
from ..money import Money
from ..resources import Payment
from ..state import AppState
from . import with_state
from .reconciliation import Apply, MissedChange, PaymentPages, Search, Seen

_UNITS = {"m": 60, "h": 3600, "d": 86_400}
_SLACK = 600


def _moment(ctx: click.Context, param: click.Parameter, text: str) -> int:
    """Return the unix time of a span until now (``90m``, ``48h``, ``7d``) or of an ISO time."""
    span = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if span:
        return int(time.time()) - int(span[1]) * _UNITS[span[2]]
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        message = "write it like 48h, 7d or 2026-11-01T00:00:00+04:00."
        raise click.BadParameter(message, ctx, param) from None


@click.command()
@click.option(
    "--since",
    callback=_moment,
    default="48h",
    show_default=True,
    metavar="48h|7d|TIME",
    help="How far back.",
)
@click.option("--apply", "applies", is_flag=True, help="Run the handlers for what was missed.")
@click.option("--resume", is_flag=True, help="Go on where the last reconcile was interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object per line.")
@with_state
def reconcile(state: AppState, *, since: int, applies: bool, resume: bool, as_json: bool) -> None:
    """Find what happened to payments that no webhook told of.

    Compares the API's payments, newest first, with the inbox, and shows what somebody
    wants to hear of and never did. A fact is handled once: its real event, should it
    still come, does nothing again. Exits with 1 if a handler failed.
    """
    bookmark = Bookmark(state)
    place = bookmark.read() if resume else Place(since)
    report = Report(as_json=as_json, begin=int(time.time()), end=place.since)
    try:
        _go(state, place, bookmark, report, applies=applies)
    except PaySaferError as error:
        has_begun = resume or report.payments
        hint = "\nGo on from here with --resume." if has_begun else ""
        raise click.ClickException(f"{error}{hint}") from error
    report.end(applied=applies)
    if report.outcomes["failed"]:
        click.get_current_context().exit(1)


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
    with Seen(inbox.facts.told_by_events(from_key)) as seen:
        search = Search(inbox, seen, wants)
        for batch in PaymentPages(state.client, since=place.since, after=place.after):
            missed = search.missed(batch.payments)
            _treat(missed, batch.seen_at, applying, report)
            report.looked_at(batch.payments)
            if batch.payments:
                bookmark.put(Place(place.since, batch.payments[-1].id))
    bookmark.remove()


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
    """Counts and prints. Rows go to standard output, the bar to standard error."""

    def __init__(self, *, as_json: bool, begin: int, end: int) -> None:
        self.payments = 0
        self.outcomes: Counter[str] = Counter()
        self._as_json = as_json
        self._at = begin
        self._bar: Any = None
        if not as_json and sys.stderr.isatty():
            self._bar = click.progressbar(
                length=max(1, begin - end), label="Back in time", file=sys.stderr
            )

    def looked_at(self, payments: list[Payment]) -> None:
        """Count payments, and move the bar to where the walk is in time."""
        self.payments += len(payments)
        if self._bar is not None and payments:
            self._bar.update(max(0, self._at - payments[-1].created))
            self._at = min(self._at, payments[-1].created)

    def row(self, missed: MissedChange, outcome: str) -> None:
        """Print what became of one fact."""
        self.outcomes[outcome] += 1
        if self._as_json:
            click.echo(json.dumps(_entry(missed, outcome)))
            return
        if self._bar is not None:
            click.echo("\r\033[K", nl=False, err=True)
        click.echo(_line(missed, outcome))

    def end(self, *, applied: bool) -> None:
        """Print the sums."""
        if self._bar is not None:
            click.echo("\r\033[K", nl=False, err=True)
        if self._as_json:
            sums = {"payments": self.payments, **self.outcomes}
            click.echo(json.dumps({"summary": sums}))
        else:
            click.echo(self._sums(applied=applied))

    def _sums(self, *, applied: bool) -> str:
        looked = f"{self.payments} payments looked at"
        if not self.outcomes:
            return click.style(f"{looked}: the inbox knows of all that happened.", fg="green")
        counts = ", ".join(f"{count} {outcome}" for outcome, count in self.outcomes.items())
        hint = "" if applied else "\nRun the handlers for them with --apply."
        return f"{looked}: {counts}.{hint}"


def _line(missed: MissedChange, outcome: str) -> str:
    payment = missed.payment
    mark = click.style(f"{outcome:<8}", fg=_COLOURS.get(outcome, "red"), bold=True)
    when = payment.created_at.strftime("%Y-%m-%d %H:%M")
    return f"{mark} {missed.fact.type:<18} {payment.id}  {when}  {_money(missed)}"


def _money(missed: MissedChange) -> str:
    amount = missed.fact.amount or missed.payment.amount
    return str(Money(amount, missed.payment.currency))


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
