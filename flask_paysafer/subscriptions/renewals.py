"""Run renewals: claim what is due, ask the plan, charge, and write state and event in one commit.

Any number of runners may run at once, and each may die at any moment. A subscription has
one holder at a time (a lease); a holder that was too slow can't write any more (a fence);
and what was charged is decided by the period's attempts, which the next runner reads before
it charges anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from flask import Flask

from ..errors import InboxUnavailableError, PaySaferError
from ..inbox.leases import HEARTBEAT
from ..webhooks.handlers import fresh_context
from . import lifecycle
from .charging import Charging, Outcome
from .events import EventWriter
from .lifecycle import ASK_AGAIN, LOOK_AGAIN, Change, PeriodRecord, Record
from .links import PaymentLinks
from .plans import Charge, Plan, Plans
from .presenting import present, presented
from .store import HoldLostError, SubscriptionStore

if TYPE_CHECKING:
    from ..inbox.local import LocalEvents

logger = logging.getLogger(__name__)

LEASE = 60.0
"""Seconds that a runner may be silent before another takes its subscription over."""

_MOST_STEPS = 1000
_PAGE = 100


class Problem(NamedTuple):
    """A subscription that could not be tried."""

    reference: str
    reason: str


@dataclass
class RunReport:
    """What one run of renewals did."""

    looked_at: int = 0
    problems: list[Problem] = field(default_factory=list)
    """What could not be tried; the card's own word is no problem."""


class Renewals:
    """Runs the renewals of one account.

    :param pace: Waits until another call fits the API's rate limit.
    """

    def __init__(
        self,
        app: Flask,
        plans: Plans,
        store: SubscriptionStore,
        charging: Charging,
        events: LocalEvents,
        links: PaymentLinks,
        *,
        mark: str,
        pace: Callable[[], None],
    ) -> None:
        self._app = app
        self._plans = plans
        self._store = store
        self._charging = charging
        self._events = events
        self._links = links
        self._mark = mark
        self._pace = pace

    def due(self, now: datetime) -> Iterator[Record]:
        """Yield what is due at ``now``, the longest due first, in constant memory."""
        last: Record | None = None
        while page := self._store.due(now, after=last, limit=_PAGE):
            yield from page
            last = page[-1]

    def run(self, now: datetime) -> RunReport:
        """Try everything that is due, one subscription after the other."""
        report = RunReport()
        for record in self.due(now):
            report.looked_at += 1
            try:
                reason = self.run_one(record.reference, now)
            except InboxUnavailableError:
                raise
            except Exception as error:
                logger.exception("The renewal of %r failed.", record.reference)
                reason = f"{type(error).__name__}: {error}"
            if reason is not None:
                report.problems.append(Problem(record.reference, reason))
        return report

    def run_one(self, reference: str, now: datetime) -> str | None:
        """Try one subscription now; return why it could not be tried, or None.

        While another runner has it, this one leaves it alone.
        """
        with self.holding(reference) as record:
            if record is None:
                return None
            try:
                return self.advance(record, now)
            except HoldLostError:
                logger.info("Another runner has taken over the renewal of %r.", reference)
                return None

    @contextmanager
    def holding(self, reference: str) -> Iterator[Record | None]:
        """Hold a subscription for the block; None while another holder has it."""
        record = self._store.hold(reference, lease=LEASE)
        if record is None:
            yield None
            return
        with HEARTBEAT.keeping(lambda: self._store.renew(record, lease=LEASE), lease=LEASE):
            try:
                yield record
            finally:
                self._store.release(record)

    def advance(self, record: Record, now: datetime) -> str | None:
        """Do what is due of a held subscription, step by step; return why something could not be.

        :raises HoldLostError: if another runner has taken it over.
        """
        for _ in range(_MOST_STEPS):
            known = self._store.known_periods(record.reference)
            step = self._step(record, known, now)
            record = self.write(step.change, known, now)
            if step.is_last:
                return step.problem
        return None

    def write(self, change: Change, known: list[PeriodRecord], now: datetime) -> Record:
        """Write a change with the times that follow from it; then run its events."""
        periods = {period.number: period for period in (*known, *change.periods)}
        newest = max(periods, default=0)
        ordered = [periods[number] for number in sorted(periods)]
        record = lifecycle.planned(change.record, ordered, newest)
        writer = EventWriter(self._events, self._links, mark=self._mark, now=now)
        written = self._store.write(replace(change, record=record), writer)
        self._events.run(*written)
        return record

    def _step(self, record: Record, known: list[PeriodRecord], now: datetime) -> _Step:
        if record.state == "canceled":
            return _Step(Change(record), is_last=True)
        paid = self._paid_by_link(record, known, now)
        if paid is not None:
            return paid
        if record.cancel_at is not None and record.cancel_at <= now:
            return self._cancel(record, known, now)
        plan = self._plans.get(record.next_plan or record.plan)
        if plan is None:
            return self._without_plan(record, known, now)
        begun = lifecycle.begun_periods(record, known, plan, now)
        if begun.periods:
            return _Step(begun)
        due = next((one for one in known if one.state == "due"), None)
        current = self._plans.get(record.plan)
        if due is None or current is None:
            return _Step(begun, is_last=True)
        if record.state == "paused":
            return self._stop(record, due, now)
        return self._try(record, due, current, now)

    def _paid_by_link(
        self, record: Record, known: list[PeriodRecord], now: datetime
    ) -> _Step | None:
        for period in known:
            if period.is_payable and period.declined_at is not None:
                outcome = self._charging.paid_by_link(record, period)
                if outcome is not None:
                    return _Step(
                        lifecycle.paid(record, _counted(period, outcome), _id(outcome), now)
                    )
        return None

    def _without_plan(self, record: Record, known: list[PeriodRecord], now: datetime) -> _Step:
        missing = record.next_plan or record.plan
        logger.error(
            "The plan %r of the subscription %r is not registered: nothing is charged. Register "
            "it with @paysafer.plan, or cancel its subscriptions.",
            missing,
            record.reference,
        )
        due = [one for one in known if one.state == "due"]
        waiting = tuple(replace(one, retry_at=now + ASK_AGAIN) for one in due)
        return _Step(Change(record, waiting), True, f"the plan {missing!r} is not registered")

    def settle(self, record: Record, now: datetime) -> tuple[Record, list[PeriodRecord]]:
        """Write what became of a held subscription's charge that is under way, if one is."""
        known = self._store.known_periods(record.reference)
        due = next((one for one in known if one.state == "due" and one.amount), None)
        outcome = None if due is None else self._charging.pending(record, due)
        plan = self._plans.get(record.plan)
        if due is None or outcome is None or plan is None:
            return record, known
        record = self.write(self._after(record, due, outcome, plan, now).change, known, now)
        return record, self._store.known_periods(record.reference)

    def _cancel(self, record: Record, known: list[PeriodRecord], now: datetime) -> _Step:
        """End the subscription; a renewal that is under way is settled first."""
        due = [one for one in known if one.state == "due"]
        for period in due:
            step = self._given_up(record, period, now)
            if step is not None:
                return step
        return _Step(lifecycle.canceled(record, due, now, reason="requested"))

    def _given_up(self, record: Record, period: PeriodRecord, now: datetime) -> _Step | None:
        """End the period's charge that is under way; None if no charge is, or came of it."""
        outcome = self._charging.give_up(record, period)
        if outcome is None:
            return None
        if outcome.kind == "unknown":
            change = lifecycle.postponed(record, period, now + LOOK_AGAIN)
            return _Step(change, True, "a charge has no known outcome yet")
        counted = _counted(period, outcome)
        if outcome.kind == "paid":
            return _Step(lifecycle.paid(record, counted, _id(outcome), now))
        return _Step(Change(record, (counted,)))

    def _stop(self, record: Record, period: PeriodRecord, now: datetime) -> _Step:
        """Leave a period of a paused subscription, once no charge of it is under way."""
        step = self._given_up(record, period, now)
        return step or _Step(lifecycle.stopped(record, period))

    def _try(self, record: Record, period: PeriodRecord, plan: Plan, now: datetime) -> _Step:
        if period.needs_customer:
            is_over = period.ends_at is not None and period.ends_at <= now
            change = lifecycle.ended(record, period, plan, now) if is_over else Change(record)
            return _Step(change, is_last=not is_over)
        if period.retry_at is not None and period.retry_at > now:
            return _Step(Change(record), is_last=True)
        if period.amount is None:
            return self._ask_plan(record, period, plan, now)
        self._pace()
        return self._charged(record, period, plan, now)

    def _ask_plan(self, record: Record, period: PeriodRecord, plan: Plan, now: datetime) -> _Step:
        try:
            charge = self._price(record, period, plan, now)
        except Exception as error:
            logger.exception(
                "The plan %r failed for period %d of %r: the period stays due, and is asked for "
                "again in an hour.",
                plan.name,
                period.number,
                record.reference,
            )
            change = lifecycle.postponed(record, period, now + ASK_AGAIN)
            return _Step(change, True, f"the plan {plan.name!r} raised {type(error).__name__}")
        if charge is None:
            return _Step(lifecycle.free(record, period, now))
        return _Step(lifecycle.priced(record, period, charge))

    def _price(
        self, record: Record, period: PeriodRecord, plan: Plan, now: datetime
    ) -> Charge | None:
        subscription = present(record, period, now)
        with fresh_context(self._app):
            charge = plan.charge(subscription, presented(period, record))
        currency = record.currency
        if charge is not None and currency not in (None, charge.amount.currency):
            raise PaySaferError(
                f"The plan {plan.name!r} returned {charge.amount.currency}, and this subscription "
                f"was charged in {currency} before. A subscription keeps its currency."
            )
        return charge

    def _charged(self, record: Record, period: PeriodRecord, plan: Plan, now: datetime) -> _Step:
        return self._after(record, period, self._charging.charge(record, period), plan, now)

    def _after(
        self, record: Record, period: PeriodRecord, outcome: Outcome, plan: Plan, now: datetime
    ) -> _Step:
        if outcome.kind == "unknown":
            return _Step(lifecycle.postponed(record, period, now + LOOK_AGAIN), is_last=True)
        counted = _counted(period, outcome)
        if outcome.kind == "paid":
            return _Step(lifecycle.paid(record, counted, _id(outcome), now))
        if outcome.kind == "void":
            return _Step(Change(record, (counted,)))
        if outcome.kind == "refused":
            change = lifecycle.postponed(record, counted, now + ASK_AGAIN)
            return _Step(change, True, "PaySafer refused the call; the log says why")
        reason = outcome.reason or "card_declined"
        return _Step(lifecycle.declined(record, counted, reason, plan, now))


class _Step(NamedTuple):
    change: Change
    is_last: bool = False
    problem: str | None = None


def _counted(period: PeriodRecord, outcome: Outcome) -> PeriodRecord:
    payment_id = outcome.payment_id or period.payment_id
    return replace(period, attempts=outcome.attempt, payment_id=payment_id)


def _id(outcome: Outcome) -> str:
    return outcome.payment_id or ""
