"""The pytest kit for merchants: signed deliveries, events, and a local PaySafer in process.

pytest loads :mod:`.plugin` by itself, in every run of every project that has
this package installed. So nothing is imported here until it is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .deliveries import Deliver
    from .factories import (
        build_event,
        customer_created,
        customer_updated,
        dispute_created,
        dispute_resolved,
        payment_completed,
        payment_created,
        payment_failed,
        payment_refunded,
        payout_completed,
        payout_failed,
    )
    from .sandbox import Clock, JoinedSandbox

__all__ = [
    "Clock",
    "Deliver",
    "JoinedSandbox",
    "build_event",
    "customer_created",
    "customer_updated",
    "dispute_created",
    "dispute_resolved",
    "payment_completed",
    "payment_created",
    "payment_failed",
    "payment_refunded",
    "payout_completed",
    "payout_failed",
]

_FILES = {"Clock": ".sandbox", "Deliver": ".deliveries", "JoinedSandbox": ".sandbox"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_FILES.get(name, ".factories"), __name__)
    return getattr(module, name)
