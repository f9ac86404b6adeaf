"""The command."""

from __future__ import annotations

import re
import time
from datetime import datetime
from functools import partial

import click

from ...errors import PaySaferError
from ...state import AppState
from .. import with_state
from .applying import Applying
from .bookmark import Bookmark, Place
from .report import Report
from .search import Missed, Search
from .told import Told
from .walk import Walk

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
        cure = "\nGo on from here with --resume." if has_begun else ""
        raise click.ClickException(f"{error}{cure}") from error
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
    applying = Applying(state, late_key=late_key) if applies else None
    with Told(inbox.facts.told_by_events(from_key)) as told:
        search = Search(inbox, told, wants)
        for look in Walk(state.client, since=place.since, after=place.after):
            missed = search.missed(look.payments)
            _treat(missed, look.seen_at, applying, report)
            report.looked_at(look.payments)
            if look.payments:
                bookmark.put(Place(place.since, look.payments[-1].id))
    bookmark.remove()


def _treat(missed: list[Missed], seen_at: int, applying: Applying | None, report: Report) -> None:
    if applying is None:
        for one in missed:
            report.row(one, "missed")
    elif missed:
        for one, outcome in applying.apply(missed, seen_at=seen_at):
            report.row(one, outcome)
