"""Between an order and its payment: what is asked of PaySafer, and whether an answer fits.

Correlation metadata in a payment says which attempt at which order it belongs to. A
reference alone is not enough: two shops may share one PaySafer account and both have an
order 17, and each gets the other's webhooks too. The installation id, made from the app's
``SECRET_KEY``, tells them apart.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .. import errors
from ..errors import OrderMismatchError
from ..events import Event
from ..idempotency import idempotency_key
from ..inbox.attempts import Attempt
from ..keys import is_loopback
from ..money import Money
from ..resources import Payment
from .orders import CheckoutOrder

REFERENCE = "paysafer_reference"
ATTEMPT = "paysafer_attempt"
SHOP = "paysafer_shop"


def installation_id(secret_key: str | bytes, account: str) -> str:
    """Return the mark of the shop with this ``SECRET_KEY``, which it does not give away."""
    key = secret_key.encode() if isinstance(secret_key, str) else secret_key
    return hmac.new(key, f"flask-paysafer checkout {account}".encode(), hashlib.sha256).hexdigest()[
        :12
    ]


def attempt_key(shop: str, reference: str, number: int) -> str:
    """Return the idempotency key of one attempt: the same in every worker."""
    return idempotency_key("checkout", shop, reference, "attempt", number)


def correlation_metadata(shop: str, reference: str, number: int) -> dict[str, str]:
    """Return the metadata that says which attempt a payment belongs to."""
    return {REFERENCE: reference, ATTEMPT: str(number), SHOP: shop}


def reference_of(payment: Mapping[str, Any]) -> str | None:
    """Return the reference that a payment's metadata names, or None."""
    return _metadata_of(payment, REFERENCE)


def installation_of(payment: Mapping[str, Any]) -> str | None:
    """Return the mark of the shop whose checkout made the payment, or None."""
    return _metadata_of(payment, SHOP)


def number_of(payment: Mapping[str, Any]) -> int | None:
    """Return the number of the attempt that a payment belongs to, or None."""
    number = _metadata_of(payment, ATTEMPT) or ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < 9 else None


def is_of(payment: Mapping[str, Any], attempt: Attempt) -> bool:
    """Tell whether ``payment`` was made by ``attempt``."""
    wanted = (attempt.reference, attempt.number, attempt.shop)
    return (reference_of(payment), number_of(payment), installation_of(payment)) == wanted


def _metadata_of(payment: Mapping[str, Any], name: str) -> str | None:
    metadata = payment.get("metadata")
    mark = metadata.get(name) if isinstance(metadata, Mapping) else None
    return mark if isinstance(mark, str) else None


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
        "metadata": {**order.metadata, **correlation_metadata(shop, reference, number)},
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


def verified_order(
    event: Event, order: CheckoutOrder | None, attempt: Attempt | None
) -> CheckoutOrder:
    """Return the order if the event's payment is over exactly its sum, and its only one.

    :raises OrderMismatchError: saying what differs.
    """
    if order is None:
        raise _mismatch(event, "the shop has no such order")
    if money_of(event.data) != order.amount:
        raise _mismatch(event, f"its sum is not the order's ({order.amount})")
    if attempt is not None:
        _check_attempt(event, attempt)
    _check_received(event, order)
    return order


def _check_attempt(event: Event, attempt: Attempt) -> None:
    is_paid = attempt.state in {"succeeded", "mismatch"}
    is_same = attempt.payment_id in {None, event.data.get("id")}
    if is_paid and not is_same:
        raise _mismatch(event, f"another payment, {attempt.payment_id}, has paid the order already")
    if is_same and attempt.payment_id and attempt.money != money_of(event.data):
        raise _mismatch(event, f"the checkout had asked for another sum ({attempt.money})")


def _check_received(event: Event, order: CheckoutOrder) -> None:
    received = event.data.get("amount_received")
    if event.type != "payment.completed" or received is None:
        return
    if order.capture_method == "automatic" and received != order.amount.amount:
        raise _mismatch(event, "not all of it was received")


def _mismatch(event: Event, reason: str) -> OrderMismatchError:
    return OrderMismatchError(
        f"Payment {event.data.get('id')} names order {reference_of(event.data)!r}, but {reason}. "
        "Nothing was fulfilled; look at both, and give the money back if it is not due."
    )
