"""What a merchant's order loader returns: the order as the checkout has to know it.

It is checked when it is made, so that a mistake shows where it was made and not as
PaySafer's refusal of a customer's payment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from ..money import Money

RESERVED = "paysafer_"
"""Metadata keys that begin so are the checkout's own."""

_LOCALE = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


@dataclass(frozen=True, kw_only=True)
class LineItem:
    """One line of an order, as the checkout page lists it.

    :raises TypeError: if ``amount`` is not a :class:`~flask_paysafer.Money`.
    :raises ValueError: for an empty name, or a quantity below 1.
    """

    name: str
    """What it is, in the customer's words. A lazy string becomes text."""

    amount: Money
    """What the whole line costs, not one piece of it. A discount is below zero."""

    quantity: int = 1
    """How many pieces."""

    def __post_init__(self) -> None:
        _set(self, "name", _text("LineItem.name", self.name))
        if not self.name:
            raise ValueError("LineItem.name must say what the line is for.")
        if not isinstance(self.amount, Money):
            raise TypeError("LineItem.amount must be a Money: what the whole line costs.")
        if isinstance(self.quantity, bool) or not isinstance(self.quantity, int):
            raise TypeError("LineItem.quantity must be a whole number.")
        if self.quantity < 1:
            raise ValueError("LineItem.quantity must be 1 or more.")


@dataclass(frozen=True, kw_only=True)
class CheckoutOrder:
    """One order to be paid, as your ``order_loader`` returns it.

    Lazy strings become text, ids may be anything that ``str()`` makes an id of, and ``""``
    means not given. ``repr`` shows no personal data.

    :raises TypeError: if ``amount`` is not a :class:`~flask_paysafer.Money`, and the like.
    :raises ValueError: for a negative amount, lines that don't add up to it, an address that
        is neither a path nor ``http(s)``, metadata that is not text, an unknown form of
        locale, a naive ``expires_at``, and the like.
    """

    reference: Any
    """The order's own name, as the shop's database has it: its ``id``, a number or a UUID. It
    becomes text. The checkout's address must equal ``str(reference)``, else it is a 404."""

    amount: Money
    """What is to be paid. It is read anew for every payment, never from the browser. For an
    order of nothing the page says that there is nothing to pay."""

    success_url: str
    """Where the customer goes once the order is paid (or authorised)."""

    cancel_url: str | None = None
    """Where "back to the shop" leads; without it the page has no such link."""

    description: str = ""
    """What is paid for, in the customer's words. Shown, and sent to PaySafer."""

    lines: tuple[LineItem, ...] = ()
    """The order's lines, to be shown. Their amounts must add up to ``amount``."""

    customer: str | None = field(default=None, repr=False)
    """PaySafer's id of the customer (``cus_…``), for the payment to belong to."""

    receipt_email: str | None = field(default=None, repr=False)
    """Where PaySafer sends the receipt."""

    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Your own notes on the payment. Keys that begin with ``paysafer_`` are ours."""

    capture_method: Literal["automatic", "manual"] = "automatic"
    """``"manual"`` only authorises; capture with ``client.payments.capture``."""

    expires_at: datetime | None = None
    """When the order lapses, such as a reservation, with its time zone. No attempt begins
    after it, and what is open is cancelled at it."""

    save_card: Literal["ask", "always"] | None = None
    """Keep the card for ``customer``'s next payments: ``"ask"`` offers it, ``"always"`` does."""

    payment_method: str | None = field(default=None, repr=False)
    """A saved payment method of ``customer`` (``pm_…``) to offer beside a new card."""

    payment_method_label: str = field(default="", repr=False)
    """How the customer knows it, such as ``"Visa •••• 4242"``."""

    locale: str | None = None
    """The page's language, such as ``"ar"``; else Flask-Babel's, else the browser's."""

    def __post_init__(self) -> None:
        _set(self, "reference", checked_reference(self.reference))
        for name in ("description", "payment_method_label"):
            _set(self, name, _text(f"CheckoutOrder.{name}", getattr(self, name)))
        for name in ("cancel_url", "customer", "receipt_email", "payment_method", "locale"):
            _set(self, name, _optional(f"CheckoutOrder.{name}", getattr(self, name)))
        _check_amount(self.amount)
        _set(self, "lines", _lines(self.lines, self.amount))
        _set(self, "success_url", _address("success_url", self.success_url))
        if self.cancel_url is not None:
            _set(self, "cancel_url", _address("cancel_url", self.cancel_url))
        _set(self, "metadata", _metadata(self.metadata))
        _check_choices(self)
        _check_expiry(self.expires_at)
        _check_saving(self)

    @property
    def is_free(self) -> bool:
        """Whether there is nothing to pay."""
        return self.amount.amount == 0

    @property
    def expires(self) -> float | None:
        """``expires_at`` in unix seconds."""
        return None if self.expires_at is None else self.expires_at.timestamp()


def _set(instance: object, name: str, value: object) -> None:
    object.__setattr__(instance, name, value)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | bool | Mapping):
        raise TypeError(f"{name} must be text, not {type(value).__name__}.")
    return str(value)


def _optional(name: str, value: Any) -> str | None:
    return _text(name, value).strip() or None


def _check_amount(amount: Any) -> None:
    if not isinstance(amount, Money):
        raise TypeError(
            'CheckoutOrder.amount must be a Money, such as Money(15000, "aed") for AED 150.00.'
        )
    if amount.amount < 0:
        raise ValueError("CheckoutOrder.amount must not be below zero.")


def _lines(lines: Iterable[LineItem], amount: Money) -> tuple[LineItem, ...]:
    found = tuple(lines or ())
    if not all(isinstance(line, LineItem) for line in found):
        raise TypeError("CheckoutOrder.lines must be LineItem objects.")
    if not found:
        return ()
    if any(line.amount.currency != amount.currency for line in found):
        raise ValueError("CheckoutOrder.lines must be in the currency of CheckoutOrder.amount.")
    total = sum(line.amount.amount for line in found)
    if total != amount.amount:
        raise ValueError(
            f"CheckoutOrder.lines add up to {total}, and CheckoutOrder.amount is {amount.amount} "
            f"(minor units of {amount.currency}). Give every line what all of it costs."
        )
    return found


def _address(name: str, address: Any) -> str:
    text = _text(f"CheckoutOrder.{name}", address)
    if not text or not is_web_address(text):
        raise ValueError(
            f"CheckoutOrder.{name} must be a path that begins with one '/' or an http(s) "
            "address, such as url_for('shop.order', id=1)."
        )
    return text


def is_web_address(address: str) -> bool:
    """Tell whether ``address`` is a path of this site or an http(s) address."""
    if any(character <= " " or character == "\\" for character in address):
        return False
    if address.startswith("/"):
        return not address.startswith("//")
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _metadata(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, Mapping) or not all(isinstance(key, str) for key in metadata):
        raise ValueError("CheckoutOrder.metadata must map text to text.")
    if any(isinstance(value, Mapping | list | tuple | bytes) for value in metadata.values()):
        raise ValueError("CheckoutOrder.metadata must map text to text.")
    if any(key.startswith(RESERVED) for key in metadata):
        raise ValueError(
            f"CheckoutOrder.metadata: keys that begin with {RESERVED!r} are set by the checkout. "
            "Choose other names."
        )
    return {key: str(value) for key, value in metadata.items() if value is not None}


def _check_choices(order: CheckoutOrder) -> None:
    if order.capture_method not in {"automatic", "manual"}:
        raise ValueError("CheckoutOrder.capture_method must be 'automatic' or 'manual'.")
    if order.save_card not in {None, "ask", "always"}:
        raise ValueError("CheckoutOrder.save_card must be 'ask' or 'always', or be left out.")
    if order.locale is not None and not _LOCALE.fullmatch(order.locale):
        raise ValueError("CheckoutOrder.locale must be a language tag, such as 'ar' or 'en-AE'.")
    if order.receipt_email is not None and not _EMAIL.fullmatch(order.receipt_email):
        raise ValueError("CheckoutOrder.receipt_email must be an e-mail address.")


def _check_expiry(expires_at: Any) -> None:
    if expires_at is None:
        return
    if not isinstance(expires_at, datetime):
        raise TypeError("CheckoutOrder.expires_at must be a datetime with a time zone.")
    if expires_at.utcoffset() is None:
        raise ValueError(
            "CheckoutOrder.expires_at must have a time zone, such as datetime.now(UTC) has: "
            "without one it names another moment on every machine."
        )


def _check_saving(order: CheckoutOrder) -> None:
    if order.payment_method is not None and not (order.customer and order.payment_method_label):
        raise ValueError(
            "CheckoutOrder.payment_method needs the customer it belongs to and a "
            "payment_method_label, such as 'Visa •••• 4242', for the customer to know it by."
        )
    if order.save_card is not None and order.customer is None:
        raise ValueError("CheckoutOrder.save_card needs the customer to keep the card for.")


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
