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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import cache, cached_property, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Literal

from flask import g, render_template, url_for
from markupsafe import Markup

from ..config import Config
from ..errors import ConfigurationError, InboxUnavailableError
from ..inbox.attempts import Attempt, OrderRecord
from ..keys import check_publishable_key
from ..money import Money
from .forms import csrf_fields, take_go
from .orders import CheckoutOrder, checked_reference
from .phases import SETTLED, WAITING, Phase, phase_of
from .texts import Texts, format_money, normalised

if TYPE_CHECKING:
    from ..inbox.records import SavedCard
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
    "not_paid_title",
    "paying",
    "cvc_hint",
    "cvc_hint_amex",
    "number_missing",
    "number_invalid",
    "brand_refused",
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
    "closed": "canceled",
    "expired": "canceled",
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
_TELLING = frozenset({"expired_card", "incorrect_cvc", "incorrect_number", "insufficient_funds"})
_WRONG_FIELDS = {"incorrect_cvc": "cvc", "expired_card": "expiry", "incorrect_number": "number"}


@dataclass(frozen=True)
class Notice:
    """A message above the form."""

    text: str = ""
    field: str = ""
    """The field that is wrong: ``number``, ``expiry`` or ``cvc``; empty if none is."""


def notice_for(attempt: Attempt | None, texts: Texts, *, tells_less: bool = False) -> Notice:
    """Return why the last try was not paid, for the customer; empty if there is nothing to say.

    :param tells_less: Say only that the card was declined: many were, and someone who tries
        stolen cards should learn nothing from it.
    """
    if attempt is None or not attempt.is_over or attempt.failure in _WITHOUT_NOTICE:
        return Notice()
    reason = attempt.failure or ("canceled" if attempt.state == "canceled" else "declined")
    name = _SAME_TEXT.get(reason, reason)
    if name not in _REASONS or (tells_less and name in _TELLING):
        name = "declined"
    return Notice(texts(name), _WRONG_FIELDS.get(name, ""))


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the order, ready to be shown."""

    name: str
    quantity: int
    amount: str


@dataclass(frozen=True, kw_only=True)
class Saved:
    """A card that the customer left with PaySafer before."""

    payment_method: str
    label: str


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
    wrong_field: str
    publishable_key: str
    api_base: str
    tokens_path: str
    """Where the browser makes a token, below ``api_base``."""
    csrf_fields: Markup
    manual_capture: bool
    saved: list[Saved]
    save_card: str | None
    """``ask``: offer to keep the card. ``always``: say that it is kept."""
    save_card_text: str = "save_card"
    """The name of the text beside the box."""
    is_save_ticked: bool = False
    brands: list[tuple[str, str]]
    """Name and label of each brand that is taken; empty where the shop does not say."""
    test_mode: bool
    standalone: bool
    """Whether the form is on the checkout's own page, which says the rest."""

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
        """The button's text."""
        return self.text("authorise" if self.manual_capture else "pay", amount=self.amount)

    @property
    def messages(self) -> str:
        """The script's texts as JSON."""
        return json.dumps({name: self.text(name) for name in SCRIPT_TEXTS}, ensure_ascii=False)

    @property
    def brand_names(self) -> str:
        """The names of the brands for the script."""
        return " ".join(name for name, _ in self.brands)


@dataclass(kw_only=True, eq=False, repr=False)
class Page:
    """What ``paysafer/base_checkout.html`` and ``paysafer/state.html`` show."""

    phase: Phase | Literal["unknown"]
    url: str
    status_url: str
    order: CheckoutOrder | None
    """None where the shop has no such order, or not any more."""
    attempt: Attempt | None
    text: Texts
    scripts: Markup
    csrf_fields: Markup
    publishable_key: str
    api_base: str
    confirm_path: str
    """Where the browser confirms a payment, below ``api_base``; ``{id}`` is the payment's."""
    test_mode: bool
    shop_name: str | None
    shop_logo: str | None
    success_url: str
    notice: str = ""
    go: bool = False
    """The customer has just acted: go on to the bank, or to the shop, at once."""
    embedded: bool = False
    """Whether it is in a page of the shop's own, and stays there."""

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
        """The sum, as it is written in the page's language; empty where there is none."""
        if self.order is not None:
            return self.text.amount(self.order.amount)
        return self.text.amount(self.attempt.money) if self.attempt else ""

    @property
    def lines(self) -> list[Line]:
        """The order's lines."""
        return [
            Line(name=line.name, quantity=line.quantity, amount=self.text.amount(line.amount))
            for line in (self.order.lines if self.order else ())
        ]

    @property
    def description(self) -> str:
        """What is paid for."""
        return self.order.description if self.order else ""

    @property
    def cancel_url(self) -> str | None:
        """Where "back to the shop" leads."""
        return self.order.cancel_url if self.order else None

    @property
    def expires_at(self) -> str | None:
        """Until when the order can be paid, in ISO 8601."""
        moment = self.order.expires_at if self.order and self.phase == "open" else None
        return None if moment is None else moment.astimezone(UTC).isoformat()

    @property
    def title(self) -> str:
        """The page's heading: what has happened."""
        if self.phase == "open":
            return self.text("not_paid_title" if self.notice else "title")
        return self.text(f"{self.phase}_title")

    @property
    def window_title(self) -> str:
        """The title of the browser's window."""
        return f"{self.title} · {self.shop_name}" if self.shop_name else self.title

    @property
    def explanation(self) -> str:
        """What the phase means."""
        paid = self.attempt.money if self.attempt else self.order and self.order.amount
        return self.text(self.phase, amount=self.text.amount(paid) if paid else "")

    @property
    def settled(self) -> bool:
        """Whether the order is paid or authorised."""
        return self.phase in SETTLED

    @property
    def waits(self) -> bool:
        """Whether the page looks again by itself."""
        return self.phase in WAITING

    @property
    def may_restart(self) -> bool:
        """Whether the customer can give this try up for another card."""
        return self.order is not None and self.phase in {"action", "confirm", "checking"}

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
_BRAND_LABELS = {
    "visa": "Visa",
    "mastercard": "Mastercard",
    "amex": "Amex",
    "diners": "Diners",
    "discover": "Discover",
    "jcb": "JCB",
    "unionpay": "UnionPay",
}


class Renderer:
    """Renders with the settings and routes of one extension."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def checkout_url(self, reference: object, *, external: bool = False) -> str:
        """Return the address of an order's checkout page.

        :raises ValueError: for a reference that can't stand in an address.
        """
        return self._url("checkout", reference=checked_reference(reference), _external=external)

    def _status_url(self, reference: str) -> str:
        return self._url("checkout_status", reference=reference)

    def _url(self, endpoint: str, **values: Any) -> str:
        return url_for(f"{self._config.name}.{endpoint}", **values)

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
        return self._url("checkout_asset", version=found.version, name=found.name)

    def embedded(
        self,
        reference: str,
        order: CheckoutOrder,
        record: OrderRecord | None,
        *,
        tells_less: bool = False,
        saved: Sequence[Saved] = (),
    ) -> Markup:
        """Return the form of one order, or what it is at, for a page of the shop's own."""
        page = self._page(reference, order, record, phase_of(record, order))
        page.embedded = True
        if page.phase == "open":
            notice = notice_for(page.attempt, page.text, tells_less=tells_less)
            form = self._form(page, order, notice, saved)
            html = render_template("paysafer/form.html", form=form)
        else:
            html = render_template("paysafer/embedded.html", page=page)
        return page.scripts + Markup(html)  # noqa: S704 (autoescaped)

    def page(
        self,
        reference: str,
        order: CheckoutOrder,
        record: OrderRecord | None,
        *,
        notice: Notice | str | None = None,
        tells_less: bool = False,
        saved: Sequence[Saved] = (),
    ) -> str:
        """Return the checkout page in the phase that the order is in.

        :param notice: Shown instead of why the last try was not paid; a text's name, or as
            it is.
        """
        page = self._page(reference, order, record, phase_of(record, order))
        if isinstance(notice, str):
            notice = Notice(page.text(notice))
        found = notice or notice_for(page.attempt, page.text, tells_less=tells_less)
        page.notice = found.text
        form = self._form(page, order, found, saved) if page.phase == "open" else None
        return render_template("paysafer/checkout.html", page=page, form=form)

    def remembered_page(
        self, reference: str, record: OrderRecord, success_url: str, locale: str | None
    ) -> str:
        """Return the page of an order that the loader has not any more, for who acted on it."""
        page = self._page(reference, None, record, phase_of(record, None), locale=locale)
        page.success_url = success_url
        return render_template("paysafer/checkout.html", page=page, form=None)

    def unknown_page(self) -> str:
        """Return the page for an address that names no order."""
        page = self._page("-", None, None, "unknown")
        return render_template("paysafer/checkout.html", page=page, form=None)

    def _page(
        self,
        reference: str,
        order: CheckoutOrder | None,
        record: OrderRecord | None,
        phase: Phase | Literal["unknown"],
        *,
        locale: str | None = None,
    ) -> Page:
        is_known = phase != "unknown"
        return Page(
            phase=phase,
            url=self.checkout_url(reference) if is_known else "",
            status_url=self._status_url(reference) if is_known else "",
            order=order,
            attempt=record.current if record else None,
            text=Texts(order.locale if order else locale),
            scripts=self.scripts(),
            csrf_fields=csrf_fields() if order is not None else Markup(),
            publishable_key=self.publishable_key(),
            api_base=self._config.api_base,
            confirm_path=self._config.profile.paths.confirm,
            test_mode=self._config.mode == "test",
            shop_name=self._config.shop_name,
            shop_logo=self._config.shop_logo,
            success_url=order.success_url if order else "/",
            go=is_known and take_go(self._config.name, reference),
        )

    def _form(
        self, page: Page, order: CheckoutOrder, notice: Notice, saved: Sequence[Saved]
    ) -> Form:
        count = g.get(_FORMS, 0) + 1
        setattr(g, _FORMS, count)
        return Form(
            uid=f"{self._config.name}-checkout-{count}".replace("_", "-"),
            url=page.url,
            text=page.text,
            amount=page.amount,
            shown=shown_amount(order),
            notice=notice.text,
            wrong_field=notice.field,
            publishable_key=page.publishable_key,
            api_base=page.api_base,
            tokens_path=self._config.profile.paths.tokens,
            csrf_fields=page.csrf_fields,
            manual_capture=order.capture_method == "manual",
            saved=list(saved),
            save_card=order.save_card,
            brands=[(name, _BRAND_LABELS[name]) for name in self._config.card_brands],
            test_mode=page.test_mode,
            standalone=not page.embedded,
        )


@lru_cache(maxsize=64)
def _tags(style_url: str, script_url: str) -> Markup:
    return Markup(
        '<link rel="stylesheet" href="{}" integrity="{}" crossorigin="anonymous">\n'
        '<script src="{}" integrity="{}" crossorigin="anonymous" defer></script>'
    ).format(style_url, asset(STYLE).integrity, script_url, asset(SCRIPT).integrity)


def shown_amount(order: CheckoutOrder) -> str:
    """Return the order's sum as the form sends it back."""
    return f"{order.amount.amount} {order.amount.currency}"


def saved_cards(checkout: Checkout, order: CheckoutOrder) -> list[Saved]:
    """Return the cards to offer: the customer's own, and the one that the order names."""
    cards = checkout.cards.list(order.customer) if order.customer else []
    found = {card.payment_method: _label_of(card) for card in cards}
    if order.payment_method:
        found[order.payment_method] = order.payment_method_label
    return [Saved(payment_method=method, label=label) for method, label in found.items()]


def _label_of(card: SavedCard) -> str:
    brand = _BRAND_LABELS.get(card.brand or "", (card.brand or "").title())
    return f"{brand} •••• {card.last4}".strip()


def add_template_helpers(state: AppState) -> None:
    """Give the app's templates the helpers of one extension."""
    app, config = state.app, state.config
    renderer = Renderer(config)

    def checkout(reference: object) -> Markup:
        """Return the card form of an order, or what it is at where it can't be paid now."""
        return _embedded(state.checkout, renderer, checked_reference(reference))

    app.jinja_env.globals.update(
        {
            f"{config.name}_checkout_url": renderer.checkout_url,
            f"{config.name}_checkout": checkout,
            f"{config.name}_scripts": renderer.scripts,
            f"{config.name}_publishable_key": renderer.publishable_key,
        }
    )
    app.jinja_env.filters[f"{config.name}_money"] = paysafer_money


def _embedded(checkout: Checkout, renderer: Renderer, reference: str) -> Markup:
    order = checkout.order(reference)
    if order is None:
        return Markup()
    try:
        record = checkout.look(reference, order)
        saved = saved_cards(checkout, order)
    except InboxUnavailableError:
        # The shop's page is shown all the same; the checkout's own says what is wrong.
        logger.exception("The checkout's database can't be used")
        return _link(renderer, reference, order)
    less = checkout.tells_less(record)
    return renderer.embedded(reference, order, record, tells_less=less, saved=saved)


def _link(renderer: Renderer, reference: str, order: CheckoutOrder) -> Markup:
    texts = Texts(order.locale)
    link = Markup(
        '<div class="paysafer-form" lang="{}" dir="{}">\n<p class="paysafer-title">{}</p>\n'
        '<a class="paysafer-button" href="{}">{}</a>\n</div>'
    )
    return renderer.scripts() + link.format(
        texts.locale,
        texts.direction,
        texts("title"),
        renderer.checkout_url(reference),
        texts("continue"),
    )


def paysafer_money(amount: Any, currency: str | None = None, locale: str | None = None) -> str:
    """Return a sum in the page's language: ``{{ order.total | paysafer_money("aed") }}``.

    :param amount: Minor units with ``currency``, or a :class:`~flask_paysafer.Money`.
    """
    money = amount if isinstance(amount, Money) else Money(amount, currency or "")
    return format_money(money, normalised(locale) if locale else Texts().locale)
