"""What the checkout refuses to do."""

from __future__ import annotations

from ..errors import PaySaferError


class TooManyAttemptsError(PaySaferError):
    """This order has been tried to be paid too often."""


class OrderMismatchError(PaySaferError):
    """Order, payment and webhook don't agree: nothing may be fulfilled, somebody has to look.

    Raised in a handler, it leaves the event as failed and visible to the operator.
    """
