"""What an order's checkout is at: for the page, and for the merchant's own code.

No database, no network, no Flask: one small table of PaySafer's statuses, and the rule that a
sum which is not the order's is never shown as paid.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from ..money import Money
from .orders import CheckoutOrder

if TYPE_CHECKING:
    from ..inbox.attempts import Attempt, OrderRecord

Phase = Literal[
    "open",
    "free",
    "checking",
    "processing",
    "action",
    "confirm",
    "paid",
    "authorised",
    "expired",
    "closed",
    "mismatch",
]

SETTLED: frozenset[Phase] = frozenset({"paid", "authorised"})
WAITING: frozenset[Phase] = frozenset({"checking", "processing", "action", "confirm"})

_BY_STATE: dict[str, Phase] = {
    "asked": "checking",
    "requires_payment_method": "checking",
    "requires_action": "action",
    "requires_confirmation": "confirm",
    "processing": "processing",
    "requires_capture": "authorised",
    "succeeded": "paid",
    "mismatch": "mismatch",
    "late": "mismatch",
}


def phase_of(
    record: OrderRecord | None, order: CheckoutOrder | None, *, now: float | None = None
) -> Phase:
    """Return what the order's page has to show.

    A status that PaySafer adds one day counts as ``processing``: it is neither paid nor free
    to be paid again.
    """
    attempt = record.current if record else None
    if attempt is not None and not attempt.is_over:
        return _phase_of_attempt(attempt, order)
    if record is not None and record.closed:
        return "closed"
    if has_expired(record, order, now=now):
        return "expired"
    return "free" if order is not None and order.is_free else "open"


def _phase_of_attempt(attempt: Attempt, order: CheckoutOrder | None) -> Phase:
    phase = _BY_STATE.get(attempt.state, "processing")
    if phase == "authorised" and not attempt.manual_capture:
        return "processing"
    if phase in SETTLED and order is not None and attempt.money != order.amount:
        return "mismatch"
    return phase


def has_expired(
    record: OrderRecord | None, order: CheckoutOrder | None, *, now: float | None = None
) -> bool:
    """Tell whether the order's time is over: what the loader says now counts, if it says so."""
    if record is not None and record.expired:
        return True
    expires = record.expires_at if record is not None else None
    if order is not None:
        expires = order.expires
    return expires is not None and expires <= (time.time() if now is None else now)


StatePhase = Literal[
    "open",
    "action",
    "checking",
    "authorised",
    "paid",
    "failed",
    "expired",
    "closed",
    "mismatch",
]


@dataclass(frozen=True, kw_only=True)
class CheckoutState:
    """What is stored of an order's checkout; no call to PaySafer is made for it."""

    reference: str
    """The order's reference."""
    phase: StatePhase
    """``open`` (nothing was tried), ``action`` (the customer's bank, or a confirmation by the
    customer, is waited for), ``checking`` (PaySafer has not said yet), ``authorised``, ``paid``,
    ``failed`` (the last try was declined or given up; another card may be tried), ``expired``,
    ``closed``, or ``mismatch`` (money came that does not fit the order: look at it)."""
    payment_id: str | None = None
    """The payment of the attempt that counts (``pay_…``)."""
    amount: Money | None = None
    """What that attempt asked for; None before the first one."""
    attempts: int = 0
    """How many attempts there were."""
    updated_at: datetime | None = None
    """When it last changed, in UTC."""


_STATE_PHASES: dict[Phase, StatePhase] = {
    "free": "open",
    "processing": "checking",
    "confirm": "action",
}


def state_of(reference: str, record: OrderRecord | None) -> CheckoutState:
    """Return the order's state as the database has it."""
    if record is None:
        return CheckoutState(reference=reference, phase="open")
    phase, attempt = phase_of(record, None), record.current
    shown: StatePhase = _STATE_PHASES.get(phase, phase)  # type: ignore[arg-type]
    if shown == "open" and attempt is not None:
        shown = "failed"
    changed = attempt.updated_at if attempt else record.created_at
    return CheckoutState(
        reference=reference,
        phase=shown,
        payment_id=attempt.payment_id if attempt else None,
        amount=attempt.money if attempt else None,
        attempts=record.count,
        updated_at=datetime.fromtimestamp(changed, UTC),
    )
