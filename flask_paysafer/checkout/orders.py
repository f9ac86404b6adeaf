"""What a merchant's order loader returns: the order as the checkout has to know it.

It is checked when it is made, so that a mistake shows where it was made and not
as PaySafer's refusal of a customer's payment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from ..money import Money

RESERVED = "paysafer_"
"""Metadata keys that begin so are the checkout's own."""


@dataclass(frozen=True, kw_only=True)
class CheckoutOrder:
    """One order to be paid, as your ``order_loader`` returns it.

    :raises TypeError: if ``amount`` is not a :class:`~flask_paysafer.Money`.
    :raises ValueError: for an amount that is not above zero, an address that is
        neither a path nor ``http(s)``, metadata that is not text, and the like.
    """

    amount: Money
    """What is to be paid. It is read anew for every payment, never from the browser."""

    success_url: str
    """Where the customer goes once the order is paid (or authorised)."""

    reference: str | int | None = None
    """The order's own reference, such as its ``id``. An address that writes it otherwise is a
    404. Give it where the loader finds an order under several names: a database takes
    ``01`` for the number 1, and an order that has two names can be paid twice."""

    description: str = ""
    """What is paid for, in the customer's words. Shown, and sent to PaySafer."""

    cancel_url: str | None = None
    """Where "back to the shop" leads; without it the page has no such link."""

    customer: str | None = None
    """PaySafer's id of the customer (``cus_…``), for the payment to belong to."""

    receipt_email: str | None = None
    """Where PaySafer sends the receipt."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Your own notes on the payment. Keys that begin with ``paysafer_`` are ours."""

    capture_method: Literal["automatic", "manual"] = "automatic"
    """``"manual"`` only authorises; capture with ``client.payments.capture``."""

    payment_method: str | None = None
    """A saved payment method of ``customer`` (``pm_…``) to offer beside a new card."""

    payment_method_label: str = ""
    """How the customer knows it, such as ``"Visa •••• 4242"``."""

    locale: str | None = None
    """The page's language, such as ``"ar"``; else Flask-Babel's, else the browser's."""

    def __post_init__(self) -> None:
        _check_amount(self.amount)
        _check_address("success_url", self.success_url)
        if self.cancel_url is not None:
            _check_address("cancel_url", self.cancel_url)
        _check_metadata(self.metadata)
        _check_saved_method(self)
        if self.capture_method not in {"automatic", "manual"}:
            raise ValueError("CheckoutOrder.capture_method must be 'automatic' or 'manual'.")


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, Money):
        raise TypeError(
            'CheckoutOrder.amount must be a Money, such as Money(15000, "aed") for AED 150.00.'
        )
    if amount.amount <= 0:
        raise ValueError("CheckoutOrder.amount must be above zero: there is nothing to pay.")


def _check_address(name: str, address: Any) -> None:
    if not isinstance(address, str) or not address or not _is_web_address(address):
        raise ValueError(
            f"CheckoutOrder.{name} must be a path that begins with one '/' or an http(s) "
            "address, such as url_for('shop.order', id=1)."
        )


def _is_web_address(address: str) -> bool:
    if any(character <= " " or character == "\\" for character in address):
        return False
    if address.startswith("/"):
        return not address.startswith("//")
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _check_metadata(metadata: Any) -> None:
    if not isinstance(metadata, Mapping) or not all(
        isinstance(key, str) and isinstance(value, str) for key, value in metadata.items()
    ):
        raise ValueError("CheckoutOrder.metadata must map text to text.")
    if any(key.startswith(RESERVED) for key in metadata):
        raise ValueError(
            f"CheckoutOrder.metadata: keys that begin with {RESERVED!r} are set by the checkout. "
            "Choose other names."
        )


def _check_saved_method(order: CheckoutOrder) -> None:
    if order.payment_method is not None and not (order.customer and order.payment_method_label):
        raise ValueError(
            "CheckoutOrder.payment_method needs the customer it belongs to and a "
            "payment_method_label, such as 'Visa •••• 4242', for the customer to know it by."
        )


def checked_reference(reference: object) -> str:
    """Return an order's reference as text that fits into an address.

    :raises ValueError: if :func:`is_reference` says no.
    """
    text = str(reference) if reference is not None else ""
    if not is_reference(text):
        raise ValueError(
            "An order's reference must be 1 to 255 printable characters without a slash or a "
            "space around it, such as its number."
        )
    return text


def is_reference(text: str) -> bool:
    """Tell whether ``text`` can be an order's reference.

    Control characters can't, nor a space at an end: not every database tells ``1`` from ``1 ``.
    """
    is_plain = text.isprintable() and text == text.strip() and "/" not in text
    return 0 < len(text) <= 255 and is_plain and text not in {".", ".."}
