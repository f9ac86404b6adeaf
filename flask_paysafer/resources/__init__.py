"""PaySafer's objects: dicts with attributes."""

from .base import Resource
from .customer import Customer
from .dispute import Dispute
from .event import EVENT_TYPES, Event
from .page import AsyncPage, Page
from .payment import Payment
from .payout import Payout
from .registry import parse
from .token import Token
from .webhook_endpoint import WebhookEndpoint

__all__ = [
    "EVENT_TYPES",
    "AsyncPage",
    "Customer",
    "Dispute",
    "Event",
    "Page",
    "Payment",
    "Payout",
    "Resource",
    "Token",
    "WebhookEndpoint",
    "parse",
]
