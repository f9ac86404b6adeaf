"""Payouts: money on its way from PaySafer to the merchant's bank."""

from __future__ import annotations

from ..money import Money
from .base import Resource

__all__ = ["Payout"]


class Payout(Resource):
    """A transfer to the merchant's bank account."""

    __slots__ = ()

    amount: int
    """Minor units."""
    currency: str
    """ISO 4217 code in lower case."""
    status: str
    """``paid``, ``failed``, or what PaySafer adds later."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    failure_reason: str | None
    """Why it failed."""

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self["amount"], self["currency"])
