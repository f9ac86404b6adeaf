"""The payment state machine: which operation may start from which status."""

from __future__ import annotations

from .failures import ApiError
from .ledger import Row

FROM: dict[str, frozenset[str]] = {
    "confirm": frozenset({"requires_payment_method", "requires_confirmation", "failed"}),
    "challenge": frozenset({"requires_action"}),
    "capture": frozenset({"requires_capture"}),
    "cancel": frozenset(
        {
            "requires_payment_method",
            "requires_confirmation",
            "requires_action",
            "requires_capture",
            "failed",
        }
    ),
    "refund": frozenset({"succeeded"}),
    "dispute": frozenset({"succeeded"}),
}
"""The statuses that each operation may start from."""


def demand(payment: Row, operation: str) -> None:
    """Return quietly if the payment's status allows the operation.

    :raises ApiError: 422, naming the statuses that would.
    """
    allowed = FROM[operation]
    if payment["status"] not in allowed:
        raise ApiError(
            "payment_unexpected_state",
            f"This payment's status is {payment['status']}; {operation} needs "
            f"{' or '.join(sorted(allowed))}.",
        )
