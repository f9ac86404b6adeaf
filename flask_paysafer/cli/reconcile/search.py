"""Compare payments with the inbox: which facts has no event told of?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...inbox.reconciliation import Fact
from ...inbox.records import State, is_settled
from ...inbox.store import Inbox
from ...resources import Payment
from .payments import facts_of
from .told import Told

_Standing = dict[Fact, tuple[int, State | None]]


class Missed(NamedTuple):
    """A fact that somebody wants to hear of and that was not handled."""

    fact: Fact
    payment: Payment
    event_key: int | None = None
    """The row of the event that an earlier reconcile made of it, and that is not done."""


class Search:
    """Finds what was missed.

    :param wants: Whether anything is to be done about a type of event.
    """

    def __init__(self, inbox: Inbox, told: Told, wants: Callable[[str], bool]) -> None:
        self._inbox = inbox
        self._told = told
        self._wants = wants

    def missed(self, payments: Sequence[Payment]) -> list[Missed]:
        """Return what was missed of these payments, each one's in the order it happened."""
        untold = [
            Missed(fact, payment)
            for payment in payments
            for fact in facts_of(payment)
            if self._wants(fact.type) and not self._told.covers(fact)
        ]
        if not untold:
            return []
        standing = self._inbox.facts.standing([missed.fact.object_id for missed in untold])
        return [found for missed in untold if (found := _open(missed, standing))]


def _open(missed: Missed, standing: _Standing) -> Missed | None:
    """Return what is left to do, or None if an earlier reconcile did it."""
    found = [at for fact, at in standing.items() if _covers(fact, missed.fact)]
    if not found:
        return missed
    if any(is_settled(state) for _, state in found):
        return None
    return missed._replace(event_key=found[0][0])


def _covers(standing: Fact, fact: Fact) -> bool:
    same = standing.type == fact.type and standing.object_id == fact.object_id
    return same and standing.amount >= fact.amount
