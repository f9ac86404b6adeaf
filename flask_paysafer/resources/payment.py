"""Payments: charges to a customer's payment method."""

from __future__ import annotations

from ..money import Money
from .base import Resource

__all__ = ["Payment"]


class Payment(Resource):
    """A charge to a customer's payment method."""

    __slots__ = ()

    amount: int
    """What is to be paid, in minor units (fils for AED)."""
    currency: str
    """ISO 4217 code in lower case."""
    status: str
    """``requires_payment_method``, ``requires_confirmation``, ``requires_action``,
    ``processing``, ``requires_capture``, ``succeeded``, ``canceled``, ``failed``, or one
    that PaySafer adds later. A refund keeps ``succeeded``."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    metadata: Resource
    """The merchant's own texts."""
    amount_received: int | None
    """What has been captured, in minor units."""
    amount_refunded: int | None
    """What has been given back, in minor units."""
    capture_method: str | None
    """``automatic`` or ``manual``."""
    customer: str | None
    """The id of the customer."""
    description: str | None
    """What the payment is for."""
    failure_reason: str | None
    """Why it failed."""
    next_action: Resource | None
    """What the cardholder has to do: ``next_action.redirect_to_url.url`` leads there."""
    payment_method: str | None
    """The payment method or token it was paid with."""
    receipt_email: str | None
    """Where PaySafer sends the receipt."""

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self["amount"], self["currency"])

    @property
    def money_received(self) -> Money:
        """What has been captured, with its currency."""
        return Money(self.amount_received or 0, self["currency"])

    @property
    def money_refunded(self) -> Money:
        """What has been given back, with its currency."""
        return Money(self.amount_refunded or 0, self["currency"])
