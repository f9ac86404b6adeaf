"""Disputes: payments that the cardholder wants back through the bank."""

from __future__ import annotations

from ..money import Money
from .base import Resource

__all__ = ["Dispute"]


class Dispute(Resource):
    """A payment that the cardholder contests."""

    __slots__ = ()

    payment: str
    """The id of the payment."""
    amount: int
    """What is contested, in minor units."""
    currency: str
    """ISO 4217 code in lower case."""
    reason: str
    """What the cardholder says."""
    status: str
    """Where it stands."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    outcome: str | None
    """``won`` or ``lost`` once it is decided."""

    @property
    def money(self) -> Money:
        """The contested amount with its currency."""
        return Money(self["amount"], self["currency"])
