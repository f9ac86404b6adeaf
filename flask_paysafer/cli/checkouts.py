"""``flask paysafer checkouts``: look at orders that customers have tried to pay, and close one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, get_args

import click
from sqlalchemy import Row, select

from ..checkout.phases import CheckoutState, StatePhase
from ..state import AppState
from . import with_state
from .arguments import MOMENT, as_ms, shown
from .output import CommandError, heading, print_facts, print_table, say

PHASES = get_args(StatePhase)
WAITING = 3
"""The exit code where PaySafer could not be asked, so that the sweep closes the order later."""


@click.group("checkouts")
def checkouts() -> None:
    """Look at orders that customers have tried to pay, and close one."""


@checkouts.command("list")
@click.option("--phase", "phases", multiple=True, type=click.Choice(PHASES))
@click.option("--since", type=MOMENT, metavar="WHEN", help="2h, 2026-01-31, …")
@click.option("--until", type=MOMENT, metavar="WHEN")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
@with_state
def list_checkouts(
    state: AppState,
    *,
    phases: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List orders, the newest first, as the database has them; PaySafer is not asked."""
    found: list[CheckoutState] = []
    for reference in _references(state, since=as_ms(since), until=as_ms(until)):
        one = state.checkout.state(reference)
        if not phases or one.phase in phases:
            found.append(one)
        if len(found) == limit:
            break
    if as_json:
        click.echo(json.dumps([_entry(one) for one in found], indent=2))
    elif not found:
        say("No matches.")
    else:
        titles = ("CHANGED", "REFERENCE", "PHASE", "AMOUNT", "ATTEMPTS", "PAYMENT")
        print_table(titles, map(_cells, found))
        if len(found) == limit:
            say(f"The newest {limit}; --limit shows more.", err=True)


def _references(state: AppState, *, since: int | None, until: int | None) -> Iterator[str]:
    checkout = state.inbox.database.tables.checkout
    query = select(checkout.c.reference).where(checkout.c.account == state.inbox.account)
    if since is not None:
        query = query.where(checkout.c.created_at >= since)
    if until is not None:
        query = query.where(checkout.c.created_at < until)
    with state.inbox.database.connected() as connection:
        found = connection.scalars(query.order_by(checkout.c.created_at.desc())).all()
    yield from found


def _cells(one: CheckoutState) -> tuple[object, ...]:
    return (
        shown(as_ms(one.updated_at)),
        one.reference,
        one.phase,
        one.amount,
        one.attempts,
        one.payment_id,
    )


def _entry(one: CheckoutState) -> dict[str, Any]:
    return {
        "reference": one.reference,
        "phase": one.phase,
        "payment": one.payment_id,
        "amount": one.amount and one.amount.amount,
        "currency": one.amount and one.amount.currency,
        "attempts": one.attempts,
        "updated_at": one.updated_at and one.updated_at.isoformat(),
    }


@checkouts.command("show")
@click.argument("reference")
@click.option("--json", "as_json", is_flag=True)
@with_state
def show_checkout(state: AppState, reference: str, *, as_json: bool) -> None:
    """Show one order: where it stands, and each attempt to pay it."""
    one = _tried(state, reference)
    attempts = _attempts(state, reference)
    if as_json:
        rows = [dict(row._mapping) for row in attempts]
        click.echo(json.dumps({**_entry(one), "history": rows}, indent=2))
        return
    _print_state(one)
    heading("Attempts")
    titles = ("BEGUN", "NUMBER", "STATE", "PAYMENT", "REASON")
    print_table(
        titles,
        [
            (shown(row.begun_at), row.number, row.state, row.payment_id, row.failure)
            for row in attempts
        ],
    )


def _tried(state: AppState, reference: str) -> CheckoutState:
    """Return an order's state, or end the command where nothing is stored of it."""
    one = state.checkout.state(reference)
    if not one.attempts and one.phase == "open":
        raise CommandError(f"No customer has tried to pay an order {reference!r:.200}.")
    return one


def _attempts(state: AppState, reference: str) -> list[Row[Any]]:
    attempt = state.inbox.database.tables.checkout_attempt
    names = ("number", "state", "payment_id", "amount", "currency", "failure", "begun_at")
    query = (
        select(*(attempt.c[name] for name in names))
        .where(attempt.c.account == state.inbox.account, attempt.c.reference == reference)
        .order_by(attempt.c.number)
    )
    with state.inbox.database.connected() as connection:
        return list(connection.execute(query))


def _print_state(one: CheckoutState) -> None:
    print_facts(
        {
            "Order": one.reference,
            "Phase": one.phase,
            "Amount": one.amount,
            "Payment": one.payment_id,
            "Changed": shown(as_ms(one.updated_at)),
        }
    )


@checkouts.command("close")
@click.argument("reference")
@click.option("--yes", is_flag=True, help="Don't ask.")
@with_state
def close_checkout(state: AppState, reference: str, *, yes: bool) -> None:
    """Take no further payment for an order, and cancel what is open.

    Exits with 1 if it proves to be paid, and with 3 if PaySafer could not be asked.
    """
    if not yes:
        click.confirm(f"Close the checkout of {reference!r:.200}?", abort=True)
    one = state.checkout.close(reference)
    _print_state(one)
    if one.phase in ("paid", "authorised", "mismatch"):
        raise CommandError(
            f"The order is {one.phase}: its payment was not cancelled. Fulfil it, or give the "
            "money back."
        )
    if one.phase == "checking":
        say("PaySafer could not be asked now. No further payment begins; the sweep cancels it.")
        click.get_current_context().exit(WAITING)
