"""What the templates are given: plain values, ready to be shown.

Templates get no client and no settings: nothing they print can be a secret key, and
a merchant who overrides them sees all there is in these classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from .orders import CheckoutOrder
from .phases import SETTLED, Phase
from .texts import Texts

if TYPE_CHECKING:
    from ..inbox.attempts import Attempt

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
