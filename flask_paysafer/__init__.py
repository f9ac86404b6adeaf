"""Payments through PaySafer for Flask: webhooks, API client, checkout.

The names below are the whole public surface; all else may change. Each is
imported at its first use, so that ``import flask_paysafer`` costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors, signals

if TYPE_CHECKING:
    from .checkout.orders import CheckoutOrder, LineItem
    from .checkout.phases import CheckoutState
    from .client import AsyncPaySaferClient, PaySaferClient
    from .events import Event
    from .extension import PaySafer
    from .idempotency import idempotency_key
    from .inbox.records import SavedCard
    from .money import Money
    from .pagination import AsyncPage, Page
    from .profile import ApiProfile
    from .resources import Customer, Dispute, Payment, Payout, Token, WebhookEndpoint
    from .subscriptions import Charge, Period, Subscription
    from .webhooks.verification import Webhook

__all__ = [
    "ApiProfile",
    "AsyncPage",
    "AsyncPaySaferClient",
    "Charge",
    "CheckoutOrder",
    "CheckoutState",
    "Customer",
    "Dispute",
    "Event",
    "LineItem",
    "Money",
    "Page",
    "PaySafer",
    "PaySaferClient",
    "Payment",
    "Payout",
    "Period",
    "SavedCard",
    "Subscription",
    "Token",
    "Webhook",
    "WebhookEndpoint",
    "errors",
    "idempotency_key",
    "signals",
]

_HOMES = {
    "ApiProfile": "profile",
    "AsyncPaySaferClient": "client",
    "AsyncPage": "pagination",
    "Charge": "subscriptions",
    "CheckoutOrder": "checkout.orders",
    "CheckoutState": "checkout.phases",
    "Event": "events",
    "LineItem": "checkout.orders",
    "Money": "money",
    "Page": "pagination",
    "PaySafer": "extension",
    "PaySaferClient": "client",
    "Period": "subscriptions",
    "SavedCard": "inbox.records",
    "Subscription": "subscriptions",
    "Webhook": "webhooks.verification",
    "idempotency_key": "idempotency",
} | dict.fromkeys(
    ("Customer", "Dispute", "Payment", "Payout", "Token", "WebhookEndpoint"), "resources"
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
