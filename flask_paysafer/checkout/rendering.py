"""Make the checkout's HTML in a request, for the page and for a merchant's own templates."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from flask import g, render_template, url_for
from markupsafe import Markup

from ..config import Config
from ..errors import ConfigurationError
from ..keys import check_publishable_key
from .assets import SCRIPT, STYLE, asset
from .csrf import csrf_fields
from .orders import CheckoutOrder
from .pages import Form, Page, notice_for
from .phases import phase_of
from .texts import Texts

if TYPE_CHECKING:
    from ..inbox.attempts import Attempt

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
