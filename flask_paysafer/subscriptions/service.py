"""``paysafer.subscriptions``: what a shop calls, each call a commit of its own."""

from __future__ import annotations

import builtins
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ..checkout.orders import CheckoutOrder
from ..errors import (
    IdempotencyError,
    InboxUnavailableError,
    NotFoundError,
    OrderClosedError,
    OrderMismatchError,
)
from ..inbox.database import translated_errors
from . import lifecycle
from .correlation import period_of, reference_of
from .lifecycle import Change, PeriodRecord, Record
from .objects import STATES, Period, Subscription
from .plans import Plan
from .presenting import present, presented
from .schedule import Schedule
from .store import SubscriptionStore, digest_of

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..checkout.service import Checkout
    from ..events import Event
    from ..inbox.checkouts import CheckoutStore
    from .charging import Charging
    from .links import PaymentLinks
    from .plans import Plans
    from .renewals import Renewals, RunReport

logger = logging.getLogger(__name__)

_LONGEST_REFERENCE = 200
_PAGE = 100
_WAIT = 30.0
"""Seconds that a call waits for a runner that is charging the same subscription."""


@dataclass(frozen=True)
class SubscriptionPage:
    """One page of subscriptions, in the order of their references; iterating walks all pages."""

    data: list[Subscription]
    has_more: bool
    _following: Callable[[], SubscriptionPage]

    def next_page(self) -> SubscriptionPage | None:
        """Return the page after this one, or None after the last."""
        return self._following() if self.has_more else None

    def __iter__(self) -> Iterator[Subscription]:
        page: SubscriptionPage | None = self
        while page is not None:
            yield from page.data
            page = page.next_page()


@dataclass(frozen=True)
class Health:
    """What keeps renewals from being charged."""

    live: int
    """Subscriptions that are not canceled."""
    missing_plans: Mapping[str, int]
    """Plans that are not registered, and how many subscriptions each has."""
    overdue: timedelta | None
    """For how long something has been due; None where nothing is planned."""
    unpriced: int
    """Periods whose plan function raised."""
    expiring: int
    """Subscriptions whose card expires before it is charged next."""


class Subscriptions:
    """The subscriptions of one account. Every call commits by itself.

    A merchant's own rollback does not take back what a call did; the reference makes it
    harmless to call again.

    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(
        self,
        store: SubscriptionStore,
        plans: Plans,
        renewals: Renewals,
        charging: Charging,
        links: PaymentLinks,
        attempts: CheckoutStore,
        checkout: Checkout,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._plans = plans
        self._renewals = renewals
        self._charging = charging
        self._links = links
        self._attempts = attempts
        self.checkout = checkout
        """The checkout of payment links."""
        self._clock = clock

    def create(
        self,
        plan: str,
        *,
        customer: str,
        payment_method: str,
        reference: object,
        starts_at: datetime | None = None,
        trial_until: datetime | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Subscription:
        """Store a subscription; the next run of renewals charges what is due.

        No API is called. With a reference that is known and the same arguments it returns
        the subscription as it is now.

        :param plan: The name of a registered plan.
        :param customer: The PaySafer customer, ``cus_…``.
        :param payment_method: A saved card of that customer, ``pm_…``.
        :param reference: The shop's own name for the subscription, up to 200 characters.
        :param starts_at: When the first period begins (aware); now, if it is left out. In the
            past it counts as an outage of that length: the plan's ``catch_up`` decides.
        :param trial_until: When the first paid period begins, after a trial (aware).
        :param metadata: Strings, kept with the subscription.
        :raises IdempotencyError: for a reference that was created with other arguments.
        :raises ValueError: for a plan that is not registered, a time without a zone, both
            ``starts_at`` and ``trial_until``, or names that can't be used.
        """
        found = self._plan(plan)
        now = self._now()
        name = _checked("reference", str(reference), _LONGEST_REFERENCE)
        start = _start(starts_at, trial_until)
        schedule = Schedule(start or now, found.every, found.zone)
        _check_end(schedule)
        given = {
            "plan": plan,
            "customer": _checked("customer", customer, 255),
            "payment_method": _checked("payment_method", payment_method, 255),
            "starts_at": starts_at and starts_at.timestamp(),
            "trial_until": trial_until and trial_until.timestamp(),
            "metadata": _checked_metadata(metadata),
        }
        record = Record(
            reference=name,
            plan=plan,
            customer=customer,
            payment_method=payment_method,
            metadata=dict(metadata or {}),
            state="trialing" if trial_until is not None and trial_until > now else "pending",
            schedule=schedule,
            created_at=now,
        )
        digest = digest_of(given)
        if self._store.add(lifecycle.planned(record, (), 0), given=digest) != digest:
            raise IdempotencyError(
                f"The subscription {name!r} was created with other arguments. Use another "
                "reference for another subscription, or change this one."
            )
        return self.retrieve(name)

    def retrieve(self, reference: object) -> Subscription:
        """Return a subscription.

        :raises NotFoundError: if there is none of that reference.
        """
        return self._shown(self._record(reference))

    def list(
        self,
        state: str | None = None,
        customer: str | None = None,
        plan: str | None = None,
        *,
        limit: int = _PAGE,
    ) -> SubscriptionPage:
        """Return a page of subscriptions; iterating it walks through all of them.

        :param limit: How many a page holds, from 1 to 1000.
        :raises ValueError: for a state that there is not, or a limit out of bounds.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"state={state!r:.40} is none of {', '.join(STATES)}.")
        if not 1 <= limit <= 1000:
            raise ValueError("limit is a whole number from 1 to 1000.")
        wanted = {"state": state, "customer": customer, "plan": plan}
        return self._page(wanted, limit, after=None)

    def _page(
        self, wanted: dict[str, str | None], limit: int, *, after: str | None
    ) -> SubscriptionPage:
        records = self._store.find(**wanted, after=after, limit=limit + 1)
        kept = records[:limit]
        return SubscriptionPage(
            [self._shown(one) for one in kept],
            len(records) > limit,
            lambda: self._page(wanted, limit, after=kept[-1].reference),
        )

    def periods(self, reference: object) -> builtins.list[Period]:
        """Return the subscription's periods that have begun, newest first.

        :raises NotFoundError: if there is no such subscription.
        """
        record = self._record(reference)
        return [presented(one, record) for one in self._all_periods(record)]

    def _all_periods(self, record: Record) -> Iterator[PeriodRecord]:
        before: int | None = None
        while page := self._store.periods(record.reference, before=before):
            yield from page
            before = page[-1].number

    def cancel(self, reference: object, *, at: Literal["period_end", "now"]) -> Subscription:
        """End a subscription; nothing is refunded by itself.

        A renewal that is under way is settled first. While PaySafer can't be reached to do
        so, ``cancel_at`` says that the end was asked for, and the next run carries it out.

        :param at: ``"now"`` ends dunning and the payment link too; ``"period_end"`` lets the
            running period (or the trial) run out.
        :raises NotFoundError: if there is no such subscription.
        :raises ValueError: for another ``at``.
        """
        if at not in ("period_end", "now"):
            raise ValueError(f'at={at!r:.40} is neither "period_end" nor "now".')
        with self._held(reference) as record:
            if record.state == "canceled":
                return self._shown(record)
            now = self._now()
            known = self._store.known_periods(record.reference)
            ends = now if at == "now" else record.cancel_at or _end_of_running(record, now)
            record = self._renewals.write(Change(replace(record, cancel_at=ends)), known, now)
            if at == "now":
                self._renewals.advance(record, now)
        return self.retrieve(reference)

    def pause(self, reference: object) -> Subscription:
        """Charge nothing until :meth:`resume`; periods that begin meanwhile are skipped.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: for a canceled one.
        """
        with self._changing(reference) as record:
            if record.state != "paused":
                now = self._now()
                known = self._store.known_periods(record.reference)
                record = self._renewals.write(lifecycle.paused(record), known, now)
                self._renewals.advance(record, now)
        return self.retrieve(reference)

    def resume(self, reference: object) -> Subscription:
        """Charge again, from the next period's start on.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: for a canceled one.
        """
        with self._changing(reference) as record:
            if record.state == "paused":
                now = self._now()
                known = self._store.known_periods(record.reference)
                plan = self._plan(record.next_plan or record.plan)
                self._renewals.write(lifecycle.resumed(record, known, plan, now), known, now)
        return self.retrieve(reference)

    def change_card(self, reference: object, payment_method: str) -> Subscription:
        """Charge another saved card from now on; the next run tries what is past due anew.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: for a canceled one.
        :raises ValueError: for a name that can't be a payment method's.
        """
        card = _checked("payment_method", payment_method, 255)
        with self._changing(reference) as record:
            if record.payment_method != card:
                now = self._now()
                record, known = self._renewals.settle(record, now)
                self._renewals.write(lifecycle.with_card(record, known, card, now), known, now)
        return self.retrieve(reference)

    def change_plan(self, reference: object, plan: str) -> Subscription:
        """Follow another plan from the next period on, or at once before the first charge.

        Nothing is prorated, charged or refunded by itself.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: for a canceled one.
        :raises ValueError: for a plan that is not registered.
        """
        found = self._plan(plan)
        with self._changing(reference) as record:
            known = self._store.known_periods(record.reference)
            newest = known[-1] if known else None
            change = lifecycle.with_plan(record, newest, found)
            self._renewals.write(change, known, self._now())
        return self.retrieve(reference)

    def run(self, reference: object) -> Subscription:
        """Run this subscription's renewals now, in this process, and return it.

        :raises NotFoundError: if there is no such subscription.
        """
        record = self._record(reference)
        self._renewals.run_one(record.reference, self._now())
        return self.retrieve(reference)

    def retry(self, reference: object) -> Subscription:
        """Try a past-due period now; with nothing due it does nothing.

        A decline is in the returned subscription, and no exception. A card that was finally
        declined is not tried again: change it, or send the customer :meth:`payment_url`.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: for a canceled one.
        """
        with self._changing(reference) as record:
            now = self._now()
            known = self._store.known_periods(record.reference)
            due = next((one for one in known if one.state == "due"), None)
            if due is not None and not due.needs_customer:
                change = Change(record, (replace(due, retry_at=now),))
                self._renewals.write(change, known, now)
        return self.run(reference)

    def payment_url(self, reference: object) -> str:
        """Return a signed link on which the customer pays what is due with any card.

        It is good for 30 days, and for as long as the period can be paid.

        :raises NotFoundError: if there is no such subscription.
        :raises OrderClosedError: if nothing can be paid.
        :raises ConfigurationError: outside of a request without ``SERVER_NAME``.
        """
        record = self._record(reference)
        known = self._store.known_periods(record.reference)
        payable = next((one for one in known if one.is_payable), None)
        if payable is None or record.state == "canceled":
            raise OrderClosedError(
                f"Nothing of the subscription {record.reference!r} can be paid now."
            )
        return self._links.url(record.reference, payable.number)

    def run_due(self, at: datetime | None = None) -> RunReport:
        """Run all renewals that are due; what ``flask paysafer renewals run`` does.

        :param at: Instead of now.
        """
        return self._renewals.run(at or self._now())

    def due_rows(self, at: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Yield what a run would look at, the longest due first.

        Each has ``reference``, ``plan``, ``due_at``, ``period`` (the number of the period to
        be charged) and ``attempt`` (from 1).
        """
        for record in self._renewals.due(at or self._now()):
            known = self._store.known_periods(record.reference)
            due = next((one for one in known if one.state == "due"), None)
            newest = known[-1].number if known else record.schedule.first - 1
            yield {
                "reference": record.reference,
                "plan": record.plan,
                "due_at": record.due_at and record.due_at.astimezone(record.schedule.zone),
                "period": newest + 1 if due is None else due.number,
                "attempt": 1 if due is None else due.attempts + 1,
            }

    def health(self) -> Health:
        """Return what keeps renewals from being charged, for ``doctor``."""
        due = self._store.next_due()
        counts = self._store.live_plans()
        return Health(
            live=sum(counts.values()),
            missing_plans={name: n for name, n in counts.items() if self._plans.get(name) is None},
            overdue=None if due is None else self._now() - due,
            unpriced=self._store.unpriced(),
            expiring=self._store.expiring(),
        )

    def next_due(self) -> datetime | None:
        """Return when a run has something to look at next, or None."""
        return self._store.next_due()

    def order_of(self, reference: str, number: int, *, success_url: str) -> CheckoutOrder | None:
        """Return a period as an order that its customer can pay on a page, or None.

        One that can't be paid any more is an order that has expired.
        """
        record = self._store.get(reference)
        period = self._store.period(reference, number)
        if record is None or period is None or period.amount is None:
            return None
        is_payable = period.is_payable and record.state != "canceled"
        return CheckoutOrder(
            reference=reference_of(reference, number),
            amount=period.amount,
            description=period.description or "",
            customer=record.customer,
            save_card="ask",
            success_url=success_url,
            metadata=period.metadata,
            expires_at=None if is_payable else period.start,
        )

    def collect(self, reference: str, number: int) -> None:
        """Note a payment by link at once, and charge the card that paid from now on.

        The card is taken where the customer left it with PaySafer for this.
        """
        period = self._store.period(reference, number)
        if period is None or not period.is_payable:
            return
        card = self._charging.card_of_link(self._record(reference), period)
        if card is None:
            return
        self._renewals.run_one(reference, self._now())
        if card:
            self.change_card(reference, card)

    def note_event(self, event: Event) -> None:
        """Note what a webhook says of a renewal's payment; the next run takes it up."""
        named = period_of(event.data)
        if named is None or not self._charging.note(event.data):
            return
        period = self._store.period(*named)
        is_paid = event.type == "payment.completed"
        if is_paid and period is not None and period.is_payable:
            self._store.wake(named[0], self._now())

    def subscription_for(
        self, event: Event, *, within: Connection | None = None
    ) -> Subscription | None:
        """Return the subscription that an event is about, with that event's period.

        :returns: None for all events but local ``subscription.*`` events and those of
            renewals' payments.
        :raises OrderMismatchError: if the payment is not what was asked for.
        """
        with translated_errors():
            if event.local and event.type.startswith("subscription."):
                return self._of_local(event, within)
            if event.type.startswith("payment."):
                return self._of_payment(event, within)
        return None

    def _of_local(self, event: Event, within: Connection | None) -> Subscription:
        record = self._store.get(str(event.data["reference"]), within=within)
        if record is None:
            raise OrderMismatchError(f"Event {event.id} names a subscription that is not there.")
        about = event.data.get("period")
        period = about and self._store.period(record.reference, about["number"], within=within)
        return self._shown(record, period or None)

    def _of_payment(self, event: Event, within: Connection | None) -> Subscription | None:
        named = period_of(event.data)
        if named is None:
            return None
        record = self._store.get(named[0], within=within)
        period = self._store.period(*named, within=within)
        if record is None or period is None:
            return None  # another shop's, that shares the account
        self._verify(event, period, reference_of(*named), within)
        return self._shown(record, period)

    def _verify(
        self, event: Event, period: PeriodRecord, reference: str, within: Connection | None
    ) -> None:
        payment = event.data
        attempt = self._attempts.current(reference, within=within)
        asked = period.amount
        if asked is None or (payment.get("amount"), payment.get("currency")) != (
            asked.amount,
            asked.currency,
        ):
            raise OrderMismatchError(
                f"Payment {payment.get('id')} is not over the sum of period {period.number} "
                f"({asked}). Look at both, and give the money back if it is not due."
            )
        is_paid = attempt is not None and attempt.state in ("succeeded", "mismatch")
        if is_paid and attempt is not None and attempt.payment_id != payment.get("id"):
            raise OrderMismatchError(
                f"Payment {payment.get('id')} names a period that another payment, "
                f"{attempt.payment_id}, has paid. Give one of them back."
            )
        if (payment.get("amount_refunded") or 0) >= asked.amount:
            raise OrderMismatchError(f"Payment {payment.get('id')} was refunded in full.")

    def _record(self, reference: object) -> Record:
        record = self._store.get(str(reference))
        if record is None:
            raise NotFoundError(f"There is no subscription {str(reference)!r:.100}.")
        return record

    @contextmanager
    def _held(self, reference: object) -> Iterator[Record]:
        """Hold the subscription, waiting for a runner that has it.

        :raises InboxUnavailableError: if it is not free in time.
        """
        name = self._record(reference).reference
        ends = time.monotonic() + _WAIT
        while True:
            with self._renewals.holding(name) as record:
                if record is not None:
                    yield record
                    return
            if time.monotonic() > ends:
                raise InboxUnavailableError(
                    f"Another process has been charging the subscription {name!r} for "
                    f"{_WAIT:.0f} seconds. Try again."
                )
            time.sleep(0.05)

    @contextmanager
    def _changing(self, reference: object) -> Iterator[Record]:
        with self._held(reference) as record:
            if record.state == "canceled":
                raise OrderClosedError(f"The subscription {record.reference!r} is canceled.")
            yield record

    def _plan(self, name: str) -> Plan:
        plan = self._plans.get(name)
        if plan is None:
            known = ", ".join(repr(one.name) for one in self._plans) or "none"
            raise ValueError(
                f"There is no plan {name!r:.80}. Register it with @paysafer.plan; registered "
                f"are: {known}."
            )
        return plan

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _shown(self, record: Record, period: PeriodRecord | None = None) -> Subscription:
        return present(record, period or self._running(record), self._now())

    def _running(self, record: Record) -> PeriodRecord | None:
        now = self._now()
        if record.state == "canceled":
            return None
        number = record.schedule.number_at(now)
        if number is None:
            return None
        stored = self._store.period(record.reference, number)
        if stored is not None:
            return stored
        schedule = record.schedule
        return PeriodRecord(number=number, start=schedule.start(number), end=schedule.end(number))


def _end_of_running(record: Record, now: datetime) -> datetime:
    number = record.schedule.number_at(now)
    return record.schedule.anchor if number is None else record.schedule.end(number)


def _start(starts_at: Any, trial_until: Any) -> datetime | None:
    if starts_at is not None and trial_until is not None:
        raise ValueError("Give starts_at or trial_until, not both.")
    for name, value in (("starts_at", starts_at), ("trial_until", trial_until)):
        if value is not None and (not isinstance(value, datetime) or value.utcoffset() is None):
            raise ValueError(f"{name} must be a datetime with a time zone.")
    found: datetime | None = trial_until or starts_at
    return found


def _check_end(schedule: Schedule) -> None:
    try:
        schedule.end(schedule.first)
    except (OverflowError, ValueError):
        raise ValueError(
            "The first period would end after the year 9999: give an earlier start."
        ) from None


def _checked(name: str, value: Any, length: int) -> str:
    is_text = isinstance(value, str) and value.isprintable() and value == value.strip()
    if not is_text or not 0 < len(value) <= length:
        raise ValueError(
            f"{name} must be text of 1 to {length} printable characters with no space around it."
        )
    return str(value)


def _checked_metadata(metadata: Mapping[str, str] | None) -> dict[str, str] | None:
    if metadata is None:
        return None
    checked: dict[Any, Any] = dict(metadata)
    if not all(isinstance(one, str) for pair in checked.items() for one in pair):
        raise ValueError("metadata must be a mapping of strings to strings.")
    return checked
