"""Make the checkout's HTML: the page, the form, and the helpers of a merchant's templates.

Templates are given plain values, ready to be shown. They get no client and no settings:
nothing that they print can be a secret key, and a merchant who overrides them sees all
there is in :class:`Form` and :class:`Page`.

A second account's helpers begin with its own name: ``paysafer_eu_checkout_url``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flask import g, render_template, url_for
from markupsafe import Markup

from ..config import Config
from ..errors import ConfigurationError, InboxUnavailableError
from ..inbox.attempts import Attempt
from ..keys import check_publishable_key
from ..money import Money
from .forms import csrf_fields
from .orders import CheckoutOrder, checked_reference
from .phases import SETTLED, Phase, phase_of
from .texts import Texts, format_money, normalised

if TYPE_CHECKING:
    from ..state import AppState
    from .service import Checkout

logger = logging.getLogger(__name__)

STYLE = "paysafer-checkout.css"
SCRIPT = "paysafer-checkout.js"

_TYPES = {STYLE: "text/css; charset=utf-8", SCRIPT: "text/javascript; charset=utf-8"}


@dataclass(eq=False, repr=False)
class Asset:
    """One file as it is served."""

    name: str
    content: bytes
    content_type: str

    @cached_property
    def integrity(self) -> str:
        """What the tag's ``integrity`` holds (Subresource Integrity)."""
        digest = hashlib.sha384(self.content).digest()
        return f"sha384-{base64.b64encode(digest).decode()}"

    @cached_property
    def version(self) -> str:
        """Changes with the content, so that browsers may keep the file for ever."""
        return hashlib.sha256(self.content).hexdigest()[:12]


@cache
def asset(name: str) -> Asset:
    """Return the file of that name.

    :raises KeyError: if there is none.
    """
    content_type = _TYPES[name]
    content = files(__package__).joinpath("static", name).read_bytes()
    return Asset(name, content, content_type)


SCRIPT_TEXTS = (
    "paying",
    "cvc_hint",
    "cvc_hint_amex",
    "number_missing",
    "number_invalid",
    "expiry_missing",
    "expiry_invalid",
    "expiry_past",
    "cvc_missing",
    "cvc_invalid",
    "network",
    "busy",
    "unavailable",
    "card_unusable",
    "expired_card",
    "incorrect_cvc",
    "incorrect_number",
)
"""The texts that the script needs; they travel in an attribute, for inline code is none."""

_SAME_TEXT = {
    "card_declined": "declined",
    "generic_decline": "declined",
    # A thief should not learn that the card is known to be stolen.
    "lost_card": "declined",
    "stolen_card": "declined",
    "invalid_cvc": "incorrect_cvc",
    "invalid_number": "incorrect_number",
    "authentication_required": "authentication_failed",
}

_REASONS = frozenset(
    {
        "authentication_failed",
        "canceled",
        "card_unusable",
        "card_velocity_exceeded",
        "changed",
        "declined",
        "expired_card",
        "incorrect_cvc",
        "incorrect_number",
        "insufficient_funds",
        "processing_error",
        "unavailable",
    }
)
"""Why a try can have ended, in words that have a text. Any other word is a decline."""

_WITHOUT_NOTICE = frozenset({"restarted"})


def notice_for(attempt: Attempt | None, texts: Texts) -> str:
    """Return why the last try was not paid, for the customer; empty if there is nothing to say."""
    if attempt is None or not attempt.is_closed or attempt.failure in _WITHOUT_NOTICE:
        return ""
    reason = attempt.failure or ("canceled" if attempt.state == "canceled" else "declined")
    name = _SAME_TEXT.get(reason, reason)
    return texts(name if name in _REASONS else "declined")


@dataclass(kw_only=True, eq=False, repr=False)
class Form:
    """What ``paysafer/form.html`` shows."""

    uid: str
    """Begins every id, so that several forms fit on one page."""
    url: str
    text: Texts
    amount: str
    shown: str
    """The same for the shop, so that nobody is charged another sum than the page showed."""
    notice: str
    publishable_key: str
    api_base: str
    csrf_fields: Markup
    manual_capture: bool
    saved_label: str

    @property
    def locale(self) -> str:
        """The language of the texts."""
        return self.text.locale

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return self.text.direction

    @property
    def pay_label(self) -> str:
        """What stands on the button."""
        return self.text("authorise" if self.manual_capture else "pay", amount=self.amount)

    @property
    def messages(self) -> str:
        """The script's texts as JSON."""
        return json.dumps({name: self.text(name) for name in SCRIPT_TEXTS}, ensure_ascii=False)


@dataclass(kw_only=True, eq=False, repr=False)
class Page:
    """What ``paysafer/base_checkout.html`` and ``paysafer/state.html`` show."""

    phase: Phase
    url: str
    status_url: str
    order: CheckoutOrder
    attempt: Attempt | None
    text: Texts
    scripts: Markup
    csrf_fields: Markup
    publishable_key: str
    api_base: str
    test_mode: bool
    go: bool
    """The customer has just acted: go on to the bank at once."""

    @property
    def locale(self) -> str:
        """The page's language."""
        return self.text.locale

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return self.text.direction

    @property
    def amount(self) -> str:
        """The order's sum, as it is written in the page's language."""
        return self.text.amount(self.order.amount)

    @property
    def description(self) -> str:
        """What is paid for."""
        return self.order.description

    @property
    def cancel_url(self) -> str | None:
        """Where "back to the shop" leads."""
        return self.order.cancel_url

    @property
    def success_url(self) -> str:
        """Where the customer goes after paying: always the loader's word."""
        return self.order.success_url

    @property
    def title(self) -> str:
        """The page's heading."""
        return self.text("title" if self.phase == "open" else f"{self.phase}_title")

    @property
    def explanation(self) -> str:
        """What the phase means."""
        paid = self.attempt.money if self.attempt else self.order.amount
        return self.text(self.phase, amount=self.text.amount(paid))

    @property
    def settled(self) -> bool:
        """Whether the order is paid or authorised."""
        return self.phase in SETTLED

    @property
    def may_restart(self) -> bool:
        """Whether the customer can give this try up for another card."""
        return self.phase in {"action", "confirm", "checking"}

    @property
    def reload_after(self) -> int | None:
        """Seconds after which a browser without JavaScript looks again."""
        return 5 if self.phase in {"checking", "processing"} else None

    @property
    def action_url(self) -> str | None:
        """Where the bank asks the customer."""
        return self.attempt.next_url if self.attempt and self.phase == "action" else None

    @property
    def payment_id(self) -> str | None:
        """The payment that the browser confirms."""
        return self.attempt.payment_id if self.attempt else None


_EMITTED = "_paysafer_scripts_emitted"
_FORMS = "_paysafer_forms"


class Renderer:
    """Renders with the settings and routes of one extension."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def checkout_url(
        self, reference: object, *, external: bool = False, go: int | None = None
    ) -> str:
        """Return the address of an order's checkout page.

        :raises ValueError: for a reference that can't stand in an address.
        """
        return url_for(
            f"{self._config.name}.checkout",
            reference=checked_reference(reference),
            _external=external,
            go=go,
        )

    def publishable_key(self) -> str:
        """Return the key for the browser: never anything but a publishable key.

        :raises ConfigurationError: if none is set, or what is set is none.
        """
        name = self._config.setting("PUBLISHABLE_KEY")
        if self._config.publishable_key is None:
            raise ConfigurationError(
                f"{name} is not set. The checkout needs it: copy pk_… from the PaySafer Dashboard."
            )
        return check_publishable_key(self._config.publishable_key, name=name)

    def scripts(self) -> Markup:
        """Return the tags of the style sheet and the script, once per page."""
        if g.get(_EMITTED):
            return Markup()
        setattr(g, _EMITTED, True)
        return _tags(self._asset_url(STYLE), self._asset_url(SCRIPT))

    def _asset_url(self, name: str) -> str:
        found = asset(name)
        return url_for(
            f"{self._config.name}.checkout_asset", version=found.version, name=found.name
        )

    def form(self, reference: str, order: CheckoutOrder, attempt: Attempt | None = None) -> Markup:
        """Return the card form of one order, for a page of the shop's own."""
        texts = Texts(order.locale)
        form = self._form(
            self.checkout_url(reference), order, texts, csrf_fields(), notice_for(attempt, texts)
        )
        return Markup(render_template("paysafer/form.html", form=form))  # noqa: S704 (autoescaped)

    def _form(
        self, url: str, order: CheckoutOrder, texts: Texts, csrf: Markup, notice: str
    ) -> Form:
        count = g.get(_FORMS, 0) + 1
        setattr(g, _FORMS, count)
        return Form(
            uid=f"{self._config.name}-checkout-{count}".replace("_", "-"),
            url=url,
            text=texts,
            amount=texts.amount(order.amount),
            shown=shown_amount(order),
            notice=notice,
            publishable_key=self.publishable_key(),
            api_base=self._config.api_base,
            csrf_fields=csrf,
            manual_capture=order.capture_method == "manual",
            saved_label=order.payment_method_label if order.payment_method else "",
        )

    def page(
        self,
        reference: str,
        order: CheckoutOrder,
        attempt: Attempt | None,
        *,
        notice: str | None = None,
        go: bool = False,
    ) -> str:
        """Return the checkout page in the phase that the attempt is in."""
        url, texts, csrf = self.checkout_url(reference), Texts(order.locale), csrf_fields()
        said = notice_for(attempt, texts) if notice is None else texts(notice)
        phase = phase_of(attempt, order)
        page = Page(
            phase=phase,
            url=url,
            status_url=url_for(f"{self._config.name}.checkout_status", reference=reference),
            order=order,
            attempt=attempt,
            text=texts,
            scripts=self.scripts(),
            csrf_fields=csrf,
            publishable_key=self.publishable_key(),
            api_base=self._config.api_base,
            test_mode=self._config.mode == "test",
            go=go,
        )
        form = self._form(url, order, texts, csrf, said) if phase == "open" else None
        return render_template("paysafer/checkout.html", page=page, form=form)


@lru_cache(maxsize=64)
def _tags(style_url: str, script_url: str) -> Markup:
    return Markup(
        '<link rel="stylesheet" href="{}" integrity="{}" crossorigin="anonymous">\n'
        '<script src="{}" integrity="{}" crossorigin="anonymous" defer></script>'
    ).format(style_url, asset(STYLE).integrity, script_url, asset(SCRIPT).integrity)


def shown_amount(order: CheckoutOrder) -> str:
    """Return the order's sum as the form sends it back."""
    return f"{order.amount.amount} {order.amount.currency}"


def add_template_helpers(state: AppState) -> None:
    """Give the app's templates the helpers of one extension."""
    app, config = state.app, state.config
    renderer = Renderer(config)

    def checkout(reference: object) -> Markup:
        """Return the card form of an order, or a link where it can't be paid by card now."""
        return _form_or_link(state.checkout, renderer, checked_reference(reference))

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
