"""``flask paysafer subscriptions`` and ``renewals``: look at them, and charge what is due."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

import click

from ..state import AppState
from ..subscriptions.objects import STATES, Period, Subscription
from ..subscriptions.renewals import RunReport
from . import with_state, with_states
from .output import CommandError, heading, print_facts, print_table, say

_LONGEST_LIST = 50
_SWEPT = 1000


@click.group("subscriptions")
def subscriptions() -> None:
    """Look at subscriptions, and cancel, pause or resume them."""


@subscriptions.command("list")
@click.option("--state", "wanted", type=click.Choice(STATES))
@click.option("--plan", metavar="NAME")
@click.option("--customer", metavar="ID", help="Such as cus_…")
@click.option("--limit", default=_LONGEST_LIST, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, of all of them.")
@with_state
def list_subscriptions(
    state: AppState,
    /,
    wanted: str | None,
    plan: str | None,
    customer: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """List subscriptions, in the order of their references."""
    found = state.subscriptions.list(state=wanted, customer=customer, plan=plan)
    if as_json:
        click.echo(json.dumps([_fields(one) for one in found], indent=2))
        return
    rows = [one for one, _ in zip(found, range(limit + 1), strict=False)]
    if not rows:
        say("No matches.")
        return
    titles = ("REFERENCE", "STATE", "PLAN", "CUSTOMER", "NEXT CHARGE", "ENDS")
    print_table(titles, [_cells(one) for one in rows[:limit]])
    if len(rows) > limit:
        say(f"The first {limit}; --limit shows more.", err=True)


def _cells(one: Subscription) -> tuple[object, ...]:
    ends = one.canceled_at or one.cancel_at
    return (
        one.reference,
        one.state,
        one.plan,
        one.customer,
        _shown(one.next_charge_at),
        _shown(ends),
    )


@subscriptions.command("show")
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True)
@with_state
def show(state: AppState, /, reference: str, as_json: bool) -> None:
    """Show one subscription and its periods, the newest first."""
    one = state.subscriptions.retrieve(reference)
    periods = state.subscriptions.periods(reference)
    if as_json:
        entry = {**_fields(one), "periods": [_period_fields(period) for period in periods]}
        click.echo(json.dumps(entry, indent=2))
        return
    print_facts(
        {
            "Reference": one.reference,
            "State": one.state,
            "Plan": one.plan,
            "Customer": one.customer,
            "Card": one.payment_method,
            "Anchor": _shown(one.anchor),
            "Next charge": _shown(one.next_charge_at),
            "Ends": _shown(one.cancel_at),
            "Canceled": _shown(one.canceled_at),
            "Created": _shown(one.created_at),
        }
    )
    heading("Periods")
    if not periods:
        say("None has begun.")
        return
    titles = ("NO.", "START", "END", "STATE", "AMOUNT", "TRIES", "PAYMENT", "REASON")
    print_table(titles, [_period_cells(period) for period in periods])


def _period_cells(one: Period) -> tuple[object, ...]:
    return (
        one.number,
        _shown(one.start),
        _shown(one.end),
        one.state,
        one.amount,
        one.attempts,
        one.payment_id,
        one.reason,
    )


@subscriptions.command("cancel")
@click.argument("reference")
@click.option(
    "--at",
    required=True,
    type=click.Choice(["now", "period-end"]),
    help="Now, or when the running period ends.",
)
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def cancel(state: AppState, /, reference: str, at: str, yes: bool) -> None:
    """End a subscription. Nothing is refunded."""
    moment: Literal["now", "period_end"] = "now" if at == "now" else "period_end"
    _confirm(state, reference, f"End it {'now' if at == 'now' else 'with its period'}?", yes=yes)
    _say_outcome(state.subscriptions.cancel(reference, at=moment))


@subscriptions.command("pause")
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def pause(state: AppState, /, reference: str, yes: bool) -> None:
    """Charge nothing until it is resumed."""
    _confirm(state, reference, "Pause it?", yes=yes)
    _say_outcome(state.subscriptions.pause(reference))


@subscriptions.command("resume")
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def resume(state: AppState, /, reference: str, yes: bool) -> None:
    """Charge again, from the next period's start on."""
    _confirm(state, reference, "Resume it?", yes=yes)
    _say_outcome(state.subscriptions.resume(reference))


def _confirm(state: AppState, reference: str, question: str, *, yes: bool) -> None:
    one = state.subscriptions.retrieve(reference)
    say(f"{one.reference} ({one.plan}, {one.customer}) is {one.state}.")
    if not yes:
        click.confirm(question, abort=True)


def _say_outcome(one: Subscription) -> None:
    ends = f", and ends {_shown(one.cancel_at)}" if one.cancel_at and not one.canceled_at else ""
    say(f"{one.reference} is {one.state}{ends}.")


@click.group("renewals")
def renewals() -> None:
    """Charge the subscriptions that are due."""


@renewals.command("due")
@click.option("--json", "as_json", is_flag=True)
@with_state
def due(state: AppState, /, as_json: bool) -> None:
    """List what a run would look at now, the longest due first."""
    rows = list(state.subscriptions.due_rows())
    if as_json:
        click.echo(json.dumps([{**row, "due_at": _iso(row["due_at"])} for row in rows], indent=2))
        return
    _print_due(rows)


def _print_due(rows: list[dict[str, Any]]) -> None:
    if not rows:
        say("Nothing is due.")
        return
    titles = ("REFERENCE", "PLAN", "DUE", "PERIOD", "TRY")
    print_table(
        titles,
        [
            (row["reference"], row["plan"], _shown(row["due_at"]), row["period"], row["attempt"])
            for row in rows
        ],
    )


@renewals.command("run")
@click.option("--dry-run", is_flag=True, help="List what would be looked at, and charge nothing.")
@click.option(
    "--at", metavar="TIME", help="With test keys: run as if it were that time (ISO 8601)."
)
@with_states
def run(states: list[AppState], /, dry_run: bool, at: str | None) -> None:
    """Charge what is due, and try failed events of our own again.

    Without --account all accounts of the app are run. Exit code 1 says that something could
    not be tried; a card's decline is no such thing.
    """
    problems = 0
    for state in states:
        moment = _moment(state, at)
        if dry_run:
            _print_due(list(state.subscriptions.due_rows(moment)))
        else:
            problems += _run(state, moment)
    if problems:
        raise click.exceptions.Exit(1)


def _run(state: AppState, moment: datetime | None) -> int:
    """Run one account, print what was done and return how much could not be tried."""
    report: RunReport = state.subscriptions.run_due(moment)
    state.backlog.sweep(_SWEPT)
    for problem in report.problems:
        say(f"{problem.reference}: {problem.reason}", lead="- ", style="red")
    done = f"{report.looked_at} looked at, {len(report.problems)} could not be tried."
    say(f"{state.config.name}: {done}")
    return len(report.problems)


def _moment(state: AppState, at: str | None) -> datetime | None:
    """Return the moment that ``--at`` names.

    :raises CommandError: for one that is no time with an offset, is past, or with live keys.
    """
    if at is None:
        return None
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise CommandError("--at is a time with its offset, such as 2026-01-31T12:00:00+04:00.")
    if state.config.livemode:
        raise CommandError("--at is for test keys: it charges cards before their time.")
    if moment < state.now():
        raise CommandError("--at is not in the past: what began by then is due now anyway.")
    return moment.astimezone(UTC)


def _fields(one: Subscription) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "plan": one.plan,
        "customer": one.customer,
        "payment_method": one.payment_method,
        "metadata": dict(one.metadata),
        "state": one.state,
        "anchor": _iso(one.anchor),
        "period": None if one.period is None else _period_fields(one.period),
        "next_charge_at": _iso(one.next_charge_at),
        "cancel_at": _iso(one.cancel_at),
        "created_at": _iso(one.created_at),
        "canceled_at": _iso(one.canceled_at),
    }


def _period_fields(one: Period) -> dict[str, Any]:
    return {
        "number": one.number,
        "start": _iso(one.start),
        "end": _iso(one.end),
        "state": one.state,
        "amount": None if one.amount is None else one.amount.amount,
        "currency": None if one.amount is None else one.amount.currency,
        "payment_id": one.payment_id,
        "attempts": one.attempts,
        "reason": one.reason,
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _shown(moment: datetime | None) -> str:
    return "–" if moment is None else moment.strftime("%Y-%m-%d %H:%M %Z")
