"""Tell from a payment, read back, what became of a call whose answer was lost. Pure.

True: it was carried out. False: it was not and can't be any more. None: open, for
the lost request may still be under way.
"""

from __future__ import annotations

from collections.abc import Callable

from ..resources import Payment

__all__ = ["is_canceled", "is_captured", "is_confirmed"]

_CONFIRMED = frozenset({"processing", "requires_action", "requires_capture", "succeeded"})


def is_captured(amount: object) -> Callable[[Payment], bool | None]:
    """Return the judge of a capture of ``amount``, or of all."""

    def judge(payment: Payment) -> bool | None:
        if payment.status == "succeeded":
            # Another sum was captured by another call: this one will find nothing left.
            return amount is None or payment.amount_received in {amount, None}
        return False if payment.status in {"canceled", "failed"} else None

    return judge


def is_canceled(payment: Payment) -> bool | None:
    """Judge a cancellation."""
    if payment.status == "canceled":
        return True
    return False if payment.status == "succeeded" else None


def is_confirmed(payment: Payment) -> bool | None:
    """Judge a confirmation. ``failed`` stays open: it may be from before."""
    if payment.status in _CONFIRMED:
        return True
    return False if payment.status == "canceled" else None
