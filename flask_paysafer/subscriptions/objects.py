"""What the subscriptions' calls return: frozen objects, as they were when they were read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from ..money import Money

SubscriptionState = Literal["trialing", "pending", "active", "past_due", "paused", "canceled"]
PeriodState = Literal["due", "paid", "free", "skipped", "unpaid"]

STATES: tuple[SubscriptionState, ...] = (
    "trialing",
    "pending",
    "active",
    "past_due",
    "paused",
    "canceled",
)


@dataclass(frozen=True, kw_only=True)
class Period:
    """One period of a subscription: from ``start`` on, up to and without ``end``."""

    number: int
    """Counted from 1."""
    start: datetime
    """Aware, in the plan's zone, as all times here."""
    end: datetime
    state: PeriodState
    """``due`` until it is ``paid``, found ``free``, ``skipped`` or left ``unpaid``."""
    amount: Money | None = None
    """What it costs; None until the plan was asked, and where nothing is due."""
    payment_id: str | None = None
    """The payment that paid it, or the last one tried."""
    attempts: int = 0
    """How often a card was tried."""
    reason: str | None = None
    """Why the last try was declined, or why the period was skipped."""


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A subscription, as it was when it was read."""

    reference: str
    """The shop's own name for it."""
    plan: str
    customer: str
    """The PaySafer customer, ``cus_…``."""
    payment_method: str
    """The saved card that renewals charge, ``pm_…``."""
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    state: SubscriptionState
    anchor: datetime
    """The moment that periods are counted from. Aware, in the plan's zone."""
    period: Period | None
    """The period that contains now; None before the anchor and after the end. In a
    subscription that :meth:`~flask_paysafer.PaySafer.subscription_for` returned: the
    event's period."""
    next_charge_at: datetime | None
    """When the next charge is tried; None if none is planned."""
    cancel_at: datetime | None
    """The end that was asked for, or None."""
    created_at: datetime
    canceled_at: datetime | None
