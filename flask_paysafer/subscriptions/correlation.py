"""Which payments are for which period: the metadata that renewals leave in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SUBSCRIPTION = "paysafer_subscription"
PERIOD = "paysafer_period"


def reference_of(subscription: str, number: int) -> str:
    """Return the reference that the attempts of a period have."""
    return f"{subscription}:{number}"


def subject_of(reference: str) -> dict[str, str]:
    """Return the metadata for the payments of a period's reference."""
    subscription, _, number = reference.rpartition(":")
    return {SUBSCRIPTION: subscription, PERIOD: number}


def period_of(payment: Mapping[str, Any]) -> tuple[str, int] | None:
    """Return the subscription and the period that a payment says it is for, or None."""
    metadata = payment.get("metadata")
    if not isinstance(metadata, Mapping):
        return None
    name, number = metadata.get(SUBSCRIPTION), metadata.get(PERIOD)
    is_number = isinstance(number, str) and number.isascii() and number.isdecimal()
    if not isinstance(name, str) or not is_number or len(str(number)) > 9:
        return None
    return name, int(str(number))


def is_renewal(payment: Mapping[str, Any]) -> bool:
    """Whether a payment says that it is for a subscription's period."""
    return period_of(payment) is not None
