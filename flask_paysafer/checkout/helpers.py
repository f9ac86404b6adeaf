"""What a merchant's templates may use: ``paysafer_checkout_url`` and its like.

A second account's helpers begin with its own name: ``paysafer_eu_checkout_url``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask
from markupsafe import Markup

from ..config import Config
from ..errors import InboxUnavailableError
from ..money import Money
from .orders import CheckoutOrder
from .phases import phase_of
from .rendering import Renderer, checked_reference
from .texts import Texts, format_money, normalised

if TYPE_CHECKING:
    from .service import Checkout

logger = logging.getLogger(__name__)


def add_template_helpers(app: Flask, config: Config, get_checkout: Callable[[], Checkout]) -> None:
    """Give the app's templates the helpers of one extension.

    :param get_checkout: Called when a template first needs it, not before.
    """
    renderer = Renderer(config)

    def checkout(reference: object) -> Markup:
        """Return the card form of an order, or a link where it can't be paid by card now."""
        return _form_or_link(get_checkout(), renderer, checked_reference(reference))

    app.jinja_env.globals.update(
        {
            f"{config.name}_checkout_url": renderer.checkout_url,
            f"{config.name}_checkout": checkout,
            f"{config.name}_scripts": renderer.scripts,
            f"{config.name}_publishable_key": renderer.publishable_key,
        }
    )
    app.jinja_env.filters[f"{config.name}_money"] = paysafer_money


def _form_or_link(checkout: Checkout, renderer: Renderer, reference: str) -> Markup:
    order = checkout.order(reference)
    if order is None:
        return Markup()
    try:
        attempt = checkout.look(reference, order)
    except InboxUnavailableError:
        # The shop's page is shown all the same; the checkout's own says what is wrong.
        logger.exception("The checkout's database can't be used")
        return _link(renderer, reference, order, title="title")
    phase = phase_of(attempt, order)
    if phase == "open":
        return renderer.scripts() + renderer.form(reference, order, attempt)
    # Paid, or under way: the checkout page tells more, and goes on from there.
    return _link(renderer, reference, order, title=f"{phase}_title")


def _link(renderer: Renderer, reference: str, order: CheckoutOrder, *, title: str) -> Markup:
    texts = Texts(order.locale)
    link = Markup(
        '<div class="paysafer-form" lang="{}" dir="{}">\n<p class="paysafer-title">{}</p>\n'
        '<a class="paysafer-button" href="{}">{}</a>\n</div>'
    )
    return renderer.scripts() + link.format(
        texts.locale,
        texts.direction,
        texts(title),
        renderer.checkout_url(reference),
        texts("continue"),
    )


def paysafer_money(amount: Any, currency: str | None = None, locale: str | None = None) -> str:
    """Return a sum in the page's language: ``{{ order.total | paysafer_money("aed") }}``.

    :param amount: Minor units with ``currency``, or a :class:`~flask_paysafer.Money`.
    """
    money = amount if isinstance(amount, Money) else Money(amount, currency or "")
    return format_money(money, normalised(locale) if locale else Texts().locale)
