"""Customers: who pays, with the payment methods they saved."""

from __future__ import annotations

from .base import Resource

__all__ = ["Customer"]


class Customer(Resource):
    """Someone who pays."""

    __slots__ = ()

    created: int
    """Unix seconds."""
    livemode: bool
    """True for a customer of live mode."""
    metadata: Resource
    """The merchant's own texts."""
    email: str | None
    """Their e-mail address."""
    name: str | None
    """Their name."""
    phone: str | None
    """Their telephone number."""
    deleted: bool | None
    """True in the answer to ``delete``; the other fields are absent there."""
