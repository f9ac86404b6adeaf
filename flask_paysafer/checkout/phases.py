"""What a customer is shown: the phase of an order, from its attempt that counts.

No database, no network, no Flask: one small table of PaySafer's statuses, and the
rule that a sum which is not the order's is never shown as paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .orders import CheckoutOrder

if TYPE_CHECKING:
    from ..inbox.attempts import Attempt

Phase = Literal[
    "open", "checking", "processing", "action", "confirm", "paid", "authorised", "mismatch"
]

SETTLED: frozenset[Phase] = frozenset({"paid", "authorised"})

_BY_STATE: dict[str, Phase] = {
    "asked": "checking",
    "requires_payment_method": "checking",
    "requires_action": "action",
    "requires_confirmation": "confirm",
    "processing": "processing",
    "requires_capture": "authorised",
    "succeeded": "paid",
    "mismatch": "mismatch",
}


def phase_of(attempt: Attempt | None, order: CheckoutOrder) -> Phase:
    """Return what the order's page has to show.

    A status that PaySafer adds one day counts as ``processing``: it is neither
    paid nor free to be paid again.
    """
    if attempt is None or attempt.is_closed:
        return "open"
    phase = _BY_STATE.get(attempt.state, "processing")
    if phase == "authorised" and not attempt.manual_capture:
        return "processing"
    if phase in SETTLED and attempt.money != order.amount:
        return "mismatch"
    return phase
