"""Show a reconcile as it goes on: a row for each missed fact, a bar for the way."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import click

from ...money import Money
from ...resources import Payment
from .search import Missed

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

    def row(self, missed: Missed, outcome: str) -> None:
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
        cure = "" if applied else "\nRun the handlers for them with --apply."
        return f"{looked}: {counts}.{cure}"


def _line(missed: Missed, outcome: str) -> str:
    payment = missed.payment
    mark = click.style(f"{outcome:<8}", fg=_COLOURS.get(outcome, "red"), bold=True)
    when = payment.created_at.strftime("%Y-%m-%d %H:%M")
    return f"{mark} {missed.fact.type:<18} {payment.id}  {when}  {_money(missed)}"


def _money(missed: Missed) -> str:
    amount = missed.fact.amount or missed.payment.amount
    return str(Money(amount, missed.payment.currency))


def _entry(missed: Missed, outcome: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "fact": missed.fact.name,
        "type": missed.fact.type,
        "payment": missed.fact.object_id,
        "amount": missed.fact.amount or missed.payment.amount,
        "currency": missed.payment.currency,
        "created": missed.payment.created,
    }
