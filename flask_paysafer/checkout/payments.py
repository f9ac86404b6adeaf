"""What is asked of PaySafer for an order, and what its answers mean for the attempt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import errors
from ..keys import is_loopback
from ..money import Money
from ..resources import Payment
from .identity import marks
from .orders import CheckoutOrder


def creation(
    order: CheckoutOrder,
    *,
    payment_method: str,
    return_url: str,
    shop: str,
    reference: str,
    number: int,
) -> dict[str, Any]:
    """Return the arguments of ``payments.create``, which are stored before they are used."""
    arguments: dict[str, Any] = {
        "amount": order.amount.amount,
        "currency": order.amount.currency,
        "payment_method": payment_method,
        "description": order.description or None,
        "customer": order.customer,
        "receipt_email": order.receipt_email,
        "metadata": {**order.metadata, **marks(shop, reference, number)},
        "capture_method": "manual" if order.capture_method == "manual" else None,
        "return_url": return_url,
    }
    return {name: value for name, value in arguments.items() if value is not None}


def money_of(payment: Mapping[str, Any]) -> Money | None:
    """Return the payment's sum, or None if it can't be read: then it equals nothing."""
    try:
        return Money(payment["amount"], payment["currency"])
    except (KeyError, TypeError, ValueError):
        return None


def challenge_url(payment: Payment) -> str | None:
    """Return where the customer confirms the payment, if it is an address to be sent to.

    Only ``https``, or ``http`` on this machine: an answer must not be able to
    send the browser to a script.
    """
    action = payment.next_action
    redirect = action.get("redirect_to_url") if isinstance(action, Mapping) else None
    url = redirect.get("url") if isinstance(redirect, Mapping) else None
    return url if isinstance(url, str) and _is_safe(url) else None


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if any(character <= " " or character == "\\" for character in url):
        return False
    is_local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    return bool(parts.hostname) and (parts.scheme == "https" or is_local)


def failure_of(payment: Payment) -> str | None:
    """Return why the payment failed, in PaySafer's word."""
    reason = payment.failure_reason
    return reason if isinstance(reason, str) else None


def decline_of(error: errors.CardError) -> str:
    """Return why the card was declined: the bank's own word, else PaySafer's."""
    return error.decline_code or error.code or "card_declined"


def refusal_of(error: errors.APIError) -> str:
    """Return why a payment was not accepted, in a word that the page has a text for."""
    return "card_unusable" if error.param == "payment_method" else "unavailable"
