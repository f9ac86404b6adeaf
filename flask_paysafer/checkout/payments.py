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
from ..inbox.attempts import FINAL, Attempt, OrderRecord
from ..keys import is_loopback
from ..money import Money
from ..resources import Payment
from .orders import CheckoutOrder

REFERENCE = "paysafer_reference"
ATTEMPT = "paysafer_attempt"
SHOP = "paysafer_shop"
CONSENT = "paysafer_save_card"


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


def consent_of(payment: Mapping[str, Any]) -> str | None:
    """Return why the payment's card may be kept, or None if it may not."""
    return _metadata_of(payment, CONSENT)


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
    consent: str | None = None,
    subject: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the arguments of ``payments.create``, which are stored before they are used.

    :param subject: More metadata that says what the payment is for.
    """
    arguments: dict[str, Any] = {
        "amount": order.amount.amount,
        "currency": order.amount.currency,
        "payment_method": payment_method,
        "description": order.description or None,
        "customer": order.customer,
        "receipt_email": order.receipt_email,
        "metadata": {
            **order.metadata,
            **correlation_metadata(shop, reference, number),
            **(subject or {}),
            **({CONSENT: consent} if consent else {}),
        },
        "capture_method": "manual" if order.capture_method == "manual" else None,
        "return_url": return_url,
        "save_payment_method": True if consent else None,
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


FULFILLING = frozenset({"payment.completed", "checkout.paid", "checkout.authorised"})
"""The types of the events on which shops fulfil an order."""


def subject_of(event: Event) -> tuple[str | None, str | None]:
    """Return the order's reference and the payment's id that an event is about."""
    is_checkout = event.local and event.type.startswith("checkout.")
    if is_checkout:
        reference, payment_id = event.data.get("reference"), event.data.get("payment")
    elif event.type.startswith("payment."):
        reference, payment_id = reference_of(event.data), event.data.get("id")
    else:
        return None, None
    return (
        reference if isinstance(reference, str) else None,
        payment_id if isinstance(payment_id, str) else None,
    )


def verified_order(
    event: Event,
    order: CheckoutOrder | None,
    record: OrderRecord | None,
    attempt: Attempt | None = None,
    *,
    partial: bool = False,
) -> CheckoutOrder:
    """Return the order if the event's payment is over exactly its sum, and its only one.

    :param attempt: The one that made the payment, if it is known.
    :param partial: Agree to a payment that was captured in part, too.
    :raises OrderMismatchError: saying what differs.
    """
    if order is None:
        raise _mismatch(event, "the shop has no such order")
    if money_of(event.data) != order.amount:
        raise _mismatch(event, f"its sum is not the order's ({order.amount})")
    _check_attempt(event, record, attempt)
    if event.type in FULFILLING:
        _check_time(event, order, record, attempt)
        _check_refund(event, attempt)
        _check_received(event, order, partial=partial)
    return order


def _check_attempt(event: Event, record: OrderRecord | None, attempt: Attempt | None) -> None:
    payment_id = subject_of(event)[1]
    current = record.current if record else None
    has_paid = current is not None and (current.state in FINAL or current.is_authorised)
    if current is not None and has_paid and current.payment_id not in {None, payment_id}:
        raise _mismatch(event, f"another payment, {current.payment_id}, has paid the order already")
    if attempt is not None and attempt.money != money_of(event.data):
        raise _mismatch(event, f"the checkout had asked for another sum ({attempt.money})")


def _check_time(
    event: Event, order: CheckoutOrder, record: OrderRecord | None, attempt: Attempt | None
) -> None:
    if record is not None and record.expired:
        raise _mismatch(event, "the order had expired and checkout.expired was written")
    # What was held in time may be captured at any time; the attempt knows, and is "late" if not.
    if attempt is not None and (attempt.state == "succeeded" or attempt.is_authorised):
        return
    if order.expires is not None and event.created > order.expires:
        raise _mismatch(event, "the money came after the order had expired")


def _check_refund(event: Event, attempt: Attempt | None) -> None:
    told = event.data.get("amount_refunded")
    refunded = max(told if type(told) is int else 0, attempt.refunded if attempt else 0)
    received = event.data.get("amount_received")
    total = received if type(received) is int and received > 0 else event.data.get("amount")
    if refunded and type(total) is int and refunded >= total:
        raise _mismatch(event, "all of it was refunded")


def _check_received(event: Event, order: CheckoutOrder, *, partial: bool) -> None:
    received = event.data.get("amount_received")
    if event.type == "checkout.authorised" or received is None:
        return
    if partial and type(received) is int and 0 < received <= order.amount.amount:
        return
    if received != order.amount.amount:
        raise _mismatch(
            event,
            f"only {received} of {order.amount.amount} was received (ask with "
            "order_for(event, partial=True) where the shop captures in part)",
        )


def refuse_second_payment(event: Event, claimed: str) -> None:
    """Refuse an event whose payment is not the one that the order is fulfilled for.

    :raises OrderMismatchError: naming the other one.
    """
    if claimed != subject_of(event)[1]:
        raise _mismatch(event, f"another payment, {claimed}, has paid the order already")


def _mismatch(event: Event, reason: str) -> OrderMismatchError:
    reference, payment_id = subject_of(event)
    return OrderMismatchError(
        f"Payment {payment_id} names order {reference!r}, but {reason}. "
        "Nothing was fulfilled; look at both, and give the money back if it is not due."
    )
