"""The keyword arguments of the calls, for type checkers and readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Required, TypedDict

__all__ = [
    "CallOptions",
    "CapturePayment",
    "Card",
    "ConfirmPayment",
    "CreateCustomer",
    "CreatePayment",
    "CreateToken",
    "CreateWebhookEndpoint",
    "ListParameters",
    "RefundPayment",
    "UpdateCustomer",
]


class CallOptions(TypedDict, total=False):
    """What every call takes. None means: as the client does."""

    idempotency_key: str | None
    """Calls with the same key are carried out once. POST and PATCH get a fresh one."""
    timeout: float | None
    """Seconds that one attempt may take."""
    deadline: float | None
    """Seconds that the whole call may take, with its retries and waits."""
    max_retries: int | None
    """How many more attempts may follow the first."""
    headers: Mapping[str, str] | None
    """More request headers."""


class CreatePayment(CallOptions, total=False):
    amount: Required[int]
    """Minor units: 15000 for AED 150.00."""
    currency: Required[str]
    """ISO 4217 code, such as ``aed``."""
    payment_method: str | None
    """A payment method (``pm_…``) or an unused token (``tok_…``)."""
    description: str | None
    customer: str | None
    """The id of a customer."""
    metadata: Mapping[str, str] | None
    receipt_email: str | None
    """Where PaySafer sends the receipt."""
    capture_method: str | None
    """``automatic`` (at once) or ``manual`` (``capture`` later)."""
    confirm: bool | None
    """False lets the payment wait for ``confirm``."""
    return_url: str | None
    """Where the cardholder comes back to after authentication."""


class CapturePayment(CallOptions, total=False):
    amount: int | None
    """Minor units, at most the payment's amount. None: all of it."""


class RefundPayment(CallOptions, total=False):
    amount: int | None
    """Minor units, at most what has not been given back. None: all of it."""
    reason: str | None


class ConfirmPayment(CallOptions, total=False):
    payment_method: str | None
    return_url: str | None
    """Where the cardholder comes back to after authentication."""


class UpdateCustomer(CallOptions, total=False):
    email: str | None
    name: str | None
    phone: str | None
    metadata: Mapping[str, str] | None


class CreateCustomer(UpdateCustomer, total=False):
    pass


class CreateWebhookEndpoint(CallOptions, total=False):
    url: Required[str]
    enabled_events: Sequence[str] | None
    """Event types; None or ``["*"]`` for all."""


class Card(TypedDict, total=False):
    number: Required[str]
    exp_month: Required[int]
    exp_year: Required[int]
    cvc: str
    name: str


class CreateToken(CallOptions, total=False):
    card: Required[Card]


class ListParameters(CallOptions, total=False):
    limit: int | None
    """Objects on a page, 1 to 100; PaySafer's default is 10."""
    starting_after: str | None
    """The id of the object that the page begins after."""
    ending_before: str | None
    """The id of the object that the page ends before; the walk goes to newer ones."""
    created: Mapping[str, int | datetime] | None
    """``{"gte": …, "lt": …}`` in unix seconds or aware datetimes."""
