"""Make the checkout's HTML in a request, for the page and for a merchant's own templates."""

from __future__ import annotations

from flask import g, render_template, url_for
from markupsafe import Markup

from ..config import Config
from ..errors import ConfigurationError
from ..inbox.attempts import Attempt
from ..keys import check_publishable_key
from .assets import SCRIPT, STYLE, Asset, asset
from .csrf import csrf_fields
from .orders import CheckoutOrder
from .pages import Form, Page, notice_for
from .phases import phase_of
from .texts import Texts

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
        return Markup(
            '<link rel="stylesheet" href="{}" integrity="{}" crossorigin="anonymous">\n'
            '<script src="{}" integrity="{}" crossorigin="anonymous" defer></script>'
        ).format(*self._tag(asset(STYLE)), *self._tag(asset(SCRIPT)))

    def _tag(self, found: Asset | None) -> tuple[str, str]:
        assert found is not None  # noqa: S101 (our own two files)
        endpoint = f"{self._config.name}.checkout_asset"
        return url_for(endpoint, version=found.version, name=found.name), found.integrity

    def form(
        self,
        reference: str,
        order: CheckoutOrder,
        attempt: Attempt | None = None,
        *,
        notice: str | None = None,
    ) -> Markup:
        """Return the card form of one order."""
        texts = Texts(order.locale)
        count = g.get(_FORMS, 0) + 1
        setattr(g, _FORMS, count)
        form = Form(
            uid=f"{self._config.name}-checkout-{count}".replace("_", "-"),
            url=self.checkout_url(reference),
            text=texts,
            amount=texts.amount(order.amount),
            shown=shown_amount(order),
            notice=notice_for(attempt, texts) if notice is None else texts(notice),
            publishable_key=self.publishable_key(),
            api_base=self._config.api_base,
            csrf_fields=csrf_fields(),
            manual_capture=order.capture_method == "manual",
            saved_label=order.payment_method_label if order.payment_method else "",
        )
        return Markup(render_template("paysafer/form.html", form=form))  # noqa: S704 (autoescaped)

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
        phase = phase_of(attempt, order)
        page = Page(
            phase=phase,
            url=self.checkout_url(reference),
            status_url=url_for(f"{self._config.name}.checkout_status", reference=reference),
            order=order,
            attempt=attempt,
            text=Texts(order.locale),
            scripts=self.scripts(),
            form=self.form(reference, order, attempt, notice=notice)
            if phase == "open"
            else Markup(),
            csrf_fields=csrf_fields(),
            publishable_key=self.publishable_key(),
            api_base=self._config.api_base,
            test_mode=self._config.mode == "test",
            go=go,
        )
        return render_template("paysafer/checkout.html", page=page)


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
