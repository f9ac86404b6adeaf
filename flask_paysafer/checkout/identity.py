"""Whose payment is it: the marks that the checkout leaves in a payment's metadata.

A reference alone is not enough. Two shops may share one PaySafer account and both
have an order 17; each then gets the other's webhooks too. The shop's mark, made
from the app's ``SECRET_KEY``, tells them apart.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from ..idempotency import idempotency_key
from ..inbox.attempts import Attempt

REFERENCE = "paysafer_reference"
ATTEMPT = "paysafer_attempt"
SHOP = "paysafer_shop"


def shop_mark(secret_key: str | bytes, account: str) -> str:
    """Return the mark of the shop with this ``SECRET_KEY``, which it does not give away."""
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    return hmac.new(key, f"flask-paysafer checkout {account}".encode(), hashlib.sha256).hexdigest()[
        :12
    ]


def attempt_key(shop: str, reference: str, number: int) -> str:
    """Return the idempotency key of one attempt: the same in every worker."""
    return idempotency_key("checkout", shop, reference, "attempt", number)


def marks(shop: str, reference: str, number: int) -> dict[str, str]:
    """Return the metadata that says which attempt a payment belongs to."""
    return {REFERENCE: reference, ATTEMPT: str(number), SHOP: shop}


def reference_of(payment: Mapping[str, Any]) -> str | None:
    """Return the reference that a payment's metadata names, or None."""
    return _mark(payment, REFERENCE)


def shop_of(payment: Mapping[str, Any]) -> str | None:
    """Return the mark of the shop whose checkout made the payment, or None."""
    return _mark(payment, SHOP)


def number_of(payment: Mapping[str, Any]) -> int | None:
    """Return the number of the attempt that a payment belongs to, or None."""
    number = _mark(payment, ATTEMPT) or ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 9 else None


def is_of(payment: Mapping[str, Any], attempt: Attempt) -> bool:
    """Tell whether ``payment`` was made by ``attempt``."""
    wanted = (attempt.reference, attempt.number, attempt.shop)
    return (reference_of(payment), number_of(payment), shop_of(payment)) == wanted


def _mark(payment: Mapping[str, Any], name: str) -> str | None:
    metadata = payment.get("metadata")
    mark = metadata.get(name) if isinstance(metadata, Mapping) else None
    return mark if isinstance(mark, str) else None
