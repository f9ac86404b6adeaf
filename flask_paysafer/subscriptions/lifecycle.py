"""The life of a subscription and of its periods: every transition, decided without a database.

Rules of this file: no database, no clock, no network, no Flask. Each function takes what is
known and returns a :class:`Change`: the subscription and the periods as they are to be
stored, and the events to be written in the same commit.

Subscription::

              create                     first paid period                next paid period
    (none) ──────────▶ trialing/pending ───────────────▶ active ◀──────────────────────────┐
                          │   declined                    │ declined                        │ paid
                          └──────────────▶ past_due ◀─────┘                                 │
                                              │ └───────────────────────────────────────────┘
               pause: active, past_due, trialing, pending ─▶ paused ─▶ resume: as before
               at_end="cancel", cancel: any ─▶ canceled (final)

Period::

    (none) ──▶ due ──▶ paid      a card paid it
                 ├───▶ free      the plan found nothing due
                 ├───▶ skipped   missed in an outage, paused or canceled before it was charged
                 └───▶ unpaid    dunning has ended; it can still be paid by its link ──▶ paid
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from ..money import Money
from .objects import PeriodState, SubscriptionState
from .plans import Charge, Plan
from .schedule import Schedule, later

EventType = Literal[
    "subscription.started",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.action_required",
    "subscription.canceled",
]

FINAL_DECLINES = frozenset(
    {
        "lost_card",
        "stolen_card",
        "pickup_card",
        "expired_card",
        "incorrect_number",
        "invalid_account",
        "revocation_of_authorization",
        "authentication_required",
        "card_unusable",
        "card_removed",
    }
)
"""Declines after which the same card is not tried again without its holder."""

ASK_AGAIN = timedelta(hours=1)
"""How soon a plan whose function raised is asked again."""

LOOK_AGAIN = timedelta(minutes=1)
"""How soon a charge without a known outcome is looked at again."""


@dataclass(frozen=True, kw_only=True)
class PeriodRecord:
    """A period as it is stored. Times are aware."""

    number: int
    start: datetime
    end: datetime
    state: PeriodState = "due"
    amount: Money | None = None
    description: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    payment_id: str | None = None
    attempts: int = 0
    """The number of the newest attempt whose outcome is in this record."""
    declines: int = 0
    """How often a renewal was declined: the next retry's place in the plan."""
    reason: str | None = None
    declined_at: datetime | None = None
    """When the first attempt was declined."""
    retry_at: datetime | None = None
    """When it is tried next: after a decline, an unknown outcome, or a plan that raised."""
    ends_at: datetime | None = None
    """When dunning ends without a further attempt: it waits for the customer."""
    needs_customer: bool = False
    """Only the customer can pay it: by the bank's challenge, or with another card."""

    @property
    def is_in_dunning(self) -> bool:
        """Whether an attempt was declined and the period is not given up yet."""
        return self.state == "due" and self.declined_at is not None

    @property
    def is_payable(self) -> bool:
        """Whether a customer may pay it by its link."""
        return self.amount is not None and self.state in ("due", "unpaid")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A subscription as it is stored. Times are aware."""

    reference: str
    plan: str
    next_plan: str | None = None
    customer: str
    payment_method: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    state: SubscriptionState
    schedule: Schedule
    currency: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    """When the first period was paid or found free."""
    cancel_at: datetime | None = None
    canceled_at: datetime | None = None
    next_charge_at: datetime | None = None
    due_at: datetime | None = None
    """When a runner looks at it next."""
    fence: int = 0
    """Grows with every holder: a former one can't write any more."""


class LocalEvent(NamedTuple):
    """An event to be written with a change."""

    type: EventType
    period: PeriodRecord | None
    reason: str | None = None


@dataclass(frozen=True)
class Change:
    """What one transition comes to."""

    record: Record
    periods: tuple[PeriodRecord, ...] = ()
    """The periods that are new or different."""
    events: tuple[LocalEvent, ...] = ()


def begun_periods(
    record: Record, known: Sequence[PeriodRecord], plan: Plan, now: datetime
) -> Change:
    """Add the periods that began by ``now``.

    After an outage ``catch_up`` decides: of the periods that began while no runner ran, and
    of those that the plan never answered for, all or only the last are charged.

    :param known: The open periods, and the newest one whatever its state; oldest first.
    """
    newest = known[-1].number if known else 0
    record, schedule = _at_next_period(record, newest, plan, now)
    current = schedule.number_at(now)
    if current is None or current <= newest:
        return Change(record)
    fresh = [_period(schedule, number) for number in range(newest + 1, current + 1)]
    if record.state == "paused":
        return Change(record, tuple(_skipped(one, "paused") for one in fresh))
    waiting = [*_unanswered(known), *fresh]
    if plan.catch_up == "latest":
        waiting = [*(_skipped(one, "missed") for one in waiting[:-1]), waiting[-1]]
    return Change(record, tuple(waiting))


def _unanswered(known: Sequence[PeriodRecord]) -> list[PeriodRecord]:
    """Return the periods that the plan did not answer for, unless they wait for an older one."""
    if any(one.is_in_dunning for one in known):
        return []
    return [one for one in known if one.state == "due" and one.amount is None]


def _at_next_period(
    record: Record, newest: int, plan: Plan, now: datetime
) -> tuple[Record, Schedule]:
    """Let a change of the plan, or of its terms, take effect where the next period begins."""
    schedule = record.schedule
    terms = (plan.every, plan.zone)
    is_same = record.plan == plan.name and terms == (schedule.every, schedule.zone)
    if is_same:
        return record, schedule
    following = max(newest + 1, schedule.first)
    start = schedule.start(following)
    if start > now:
        return record, schedule
    if terms != (schedule.every, schedule.zone):
        schedule = Schedule(start, plan.every, plan.zone, first=following)
    return replace(record, plan=plan.name, next_plan=None, schedule=schedule), schedule


def _period(schedule: Schedule, number: int) -> PeriodRecord:
    return PeriodRecord(number=number, start=schedule.start(number), end=schedule.end(number))


def _skipped(period: PeriodRecord, reason: str) -> PeriodRecord:
    return replace(period, state="skipped", reason=reason, retry_at=None)


def priced(record: Record, period: PeriodRecord, charge: Charge) -> Change:
    """Store what the plan returned for the period; it is not asked again."""
    found = replace(
        period,
        amount=charge.amount,
        description=charge.description,
        metadata=dict(charge.metadata or {}),
        retry_at=None,
        reason=None,
    )
    return Change(replace(record, currency=record.currency or charge.amount.currency), (found,))


def free(record: Record, period: PeriodRecord, now: datetime) -> Change:
    """Nothing is due for the period."""
    return _served(record, replace(period, state="free", retry_at=None, reason=None), now)


def paid(record: Record, period: PeriodRecord, payment_id: str, now: datetime) -> Change:
    """A card paid the period, in a renewal or by its link."""
    found = replace(
        period,
        state="paid",
        payment_id=payment_id,
        reason=None,
        retry_at=None,
        ends_at=None,
        needs_customer=False,
    )
    return _served(record, found, now)


def _served(record: Record, period: PeriodRecord, now: datetime) -> Change:
    is_first = record.started_at is None
    kind: EventType = "subscription.started" if is_first else "subscription.renewed"
    state = record.state if record.state in ("paused", "canceled") else "active"
    found = replace(record, state=state, started_at=record.started_at or now)
    return Change(found, (period,), (LocalEvent(kind, period),))


def declined(
    record: Record, period: PeriodRecord, reason: str, plan: Plan, now: datetime
) -> Change:
    """The card was declined: wait for the next retry or for the customer, or end dunning.

    :param period: With the attempt's number and payment.
    """
    is_first = period.declined_at is None
    first = period.declined_at or now
    found = replace(
        period,
        reason=reason[:64],
        declines=period.declines + 1,
        declined_at=first,
        retry_at=None,
    )
    if record.state != "paused":
        record = replace(record, state="past_due")
    if reason in FINAL_DECLINES:
        ends = period.ends_at or _end_of_dunning(first, plan)
        found = replace(found, needs_customer=True, ends_at=ends)
        change = Change(
            record, (found,), (LocalEvent("subscription.action_required", found, reason),)
        )
        return change if ends > now else _then(change, ended(record, found, plan, now))
    if found.declines <= len(plan.retry_after):
        at = later(now, plan.retry_after[found.declines - 1], 1, plan.zone)
        found = replace(found, retry_at=at)
    events = (LocalEvent("subscription.past_due", found, reason),) if is_first else ()
    change = Change(record, (found,), events)
    return change if found.retry_at else _then(change, ended(record, found, plan, now))


def _end_of_dunning(first: datetime, plan: Plan) -> datetime:
    for interval in plan.retry_after:
        first = later(first, interval, 1, plan.zone)
    return first


def _then(one: Change, other: Change) -> Change:
    """Join two changes of which the second begins where the first ends."""
    numbers = {period.number for period in other.periods}
    kept = tuple(period for period in one.periods if period.number not in numbers)
    return Change(other.record, kept + other.periods, one.events + other.events)


def ended(record: Record, period: PeriodRecord, plan: Plan, now: datetime) -> Change:
    """Dunning has ended: do what the plan's ``at_end`` says."""
    unpaid = replace(period, state="unpaid", retry_at=None, ends_at=None)
    if plan.at_end == "cancel":
        return canceled(record, (unpaid,), now, reason=period.reason or "unpaid")
    if plan.at_end == "pause":
        return Change(replace(record, state="paused"), (unpaid,))
    return Change(record, (unpaid,))


def postponed(record: Record, period: PeriodRecord, until: datetime) -> Change:
    """Look at the period again later: its plan raised, or a charge has no known outcome."""
    return Change(record, (replace(period, retry_at=until),))


def canceled(
    record: Record, open_periods: Sequence[PeriodRecord], now: datetime, *, reason: str
) -> Change:
    """End the subscription: dunning and links end with it."""
    closed = tuple(_closed(period) for period in open_periods)
    found = replace(record, state="canceled", canceled_at=now, next_plan=None)
    about = closed[-1] if closed else None
    return Change(found, closed, (LocalEvent("subscription.canceled", about, reason),))


def _closed(period: PeriodRecord) -> PeriodRecord:
    if period.state == "due" and period.declined_at is None:
        return _skipped(period, "canceled")
    return replace(period, state="unpaid", retry_at=None, ends_at=None)


def paused(record: Record) -> Change:
    """Charge nothing from now on."""
    return Change(replace(record, state="paused"))


def stopped(record: Record, period: PeriodRecord) -> Change:
    """Leave a period of a paused subscription: in dunning it stays payable by its link."""
    if period.declined_at is None:
        return Change(record, (_skipped(period, "paused"),))
    return Change(record, (replace(period, state="unpaid", retry_at=None, ends_at=None),))


def resumed(record: Record, known: Sequence[PeriodRecord], plan: Plan, now: datetime) -> Change:
    """Charge again from the next period's start on; the running one is not charged."""
    begun = begun_periods(record, known, plan, now)
    periods = [one for one in known if one.state != "skipped"]
    if periods and periods[-1].state == "unpaid":
        state: SubscriptionState = "past_due"
    elif record.started_at is not None:
        state = "active"
    else:
        state = "trialing" if record.schedule.anchor > now else "pending"
    return replace(begun, record=replace(begun.record, state=state))


def with_card(
    record: Record, open_periods: Sequence[PeriodRecord], payment_method: str, now: datetime
) -> Change:
    """Charge another card from now on; what is in dunning is tried anew by the next run."""
    again = tuple(
        replace(one, needs_customer=False, ends_at=None, retry_at=now)
        for one in open_periods
        if one.is_in_dunning
    )
    return Change(replace(record, payment_method=payment_method), again)


def with_plan(record: Record, newest: PeriodRecord | None, plan: Plan) -> Change:
    """Follow another plan: at once before the first charge, else from the next period on."""
    if newest is None:
        anchor, first = record.schedule.anchor, record.schedule.first
        schedule = Schedule(anchor, plan.every, plan.zone, first=first)
        return Change(replace(record, plan=plan.name, next_plan=None, schedule=schedule))
    return Change(replace(record, next_plan=None if plan.name == record.plan else plan.name))


def planned(record: Record, open_periods: Sequence[PeriodRecord], newest: int) -> Record:
    """Return the record with the times at which it is looked at and charged next.

    :param newest: The number of the newest period that began; 0 for none.
    """
    if record.state == "canceled":
        return replace(record, due_at=None, next_charge_at=None)
    due = [one for one in open_periods if one.state == "due"]
    begins = _next_start(record, newest)
    looks = [at for one in due[:1] if (at := _next_look(one))]  # the others wait for it
    looks += [at for at in (begins, record.cancel_at) if at is not None]
    return replace(
        record,
        due_at=min(looks, default=None),
        next_charge_at=_next_charge(record, due, begins),
    )


def _next_start(record: Record, newest: int) -> datetime | None:
    try:
        return record.schedule.start(max(newest + 1, record.schedule.first))
    except OverflowError:
        return None


def _next_look(period: PeriodRecord) -> datetime | None:
    if period.needs_customer:
        return period.ends_at
    return period.retry_at or period.start


def _next_charge(
    record: Record, due: Sequence[PeriodRecord], begins: datetime | None
) -> datetime | None:
    if record.state == "paused":
        return None
    at = begins
    if due:
        at = None if due[0].needs_customer else due[0].retry_at or due[0].start
    is_over = at is not None and record.cancel_at is not None and at >= record.cancel_at
    return None if is_over else at
