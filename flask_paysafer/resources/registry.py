"""Which class stands for which of PaySafer's objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Resource
from .customer import Customer
from .dispute import Dispute
from .payment import Payment
from .payout import Payout
from .token import Token
from .webhook_endpoint import WebhookEndpoint

__all__ = ["CLASSES", "parse"]

CLASSES: dict[str, type[Resource]] = {
    "payment": Payment,
    "customer": Customer,
    "webhook_endpoint": WebhookEndpoint,
    "token": Token,
    "payout": Payout,
    "dispute": Dispute,
}


def parse(mapping: Mapping[str, Any], *, kind: str | None = None) -> Resource:
    """Return the object in the class that its ``"object"`` field names.

    :param kind: What it is where that field is absent.
    """
    name = mapping.get("object", kind)
    cls = CLASSES.get(name, Resource) if isinstance(name, str) else Resource
    return mapping if type(mapping) is cls else cls(mapping)
