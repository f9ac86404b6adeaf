"""Tokens: card data that the browser left with PaySafer."""

from __future__ import annotations

from .base import Resource

__all__ = ["Token"]


class Token(Resource):
    """Stands for card data that PaySafer keeps; a payment takes it once."""

    __slots__ = ()

    card: Resource
    """``brand``, ``last4``, ``exp_month`` and ``exp_year``."""
    used: bool
    """True once a payment was made with it."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True for a token of live mode."""
