"""What a customer does in the browser."""

from __future__ import annotations

from dataclasses import dataclass, field

from playwright.sync_api import ConsoleMessage, Locator, Page, expect

from tests.checkout.browser.live import Recorder
from tests.checkout.shop import GOOD, PAGE, Shop

CVC = "737"


@dataclass
class Customer:
    """One tab on the shop's checkout."""

    page: Page
    shop: Shop
    recorder: Recorder
    url: str
    violations: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._listen)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _listen(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "integrity" in message.text:
            self.violations.append(message.text)

    def open(self, path: str = PAGE) -> Customer:
        """Go to a page of the shop."""
        self.page.goto(self.url + path)
        return self

    def fill(self, number: str = GOOD, expiry: str = "12/30", cvc: str = CVC) -> Customer:
        """Fill the card in."""
        form = self.page.locator("[data-paysafer-form]").last
        form.locator("[data-paysafer-field=number]").fill(number)
        form.locator("[data-paysafer-field=expiry]").fill(expiry)
        form.locator("[data-paysafer-field=cvc]").fill(cvc)
        return self

    def pay(self) -> Customer:
        """Press the button."""
        self.button.click()
        return self

    def field(self, name: str) -> Locator:
        """Return a field of the card: ``number``, ``expiry``, ``cvc`` or ``name``."""
        return self.page.locator(f"[data-paysafer-field={name}]").last

    @property
    def button(self) -> Locator:
        """The button that pays."""
        return self.page.locator("[data-paysafer-pay]").last

    def arrives(self) -> None:
        """See the shop's own page for a paid order."""
        self.page.wait_for_url(f"{self.url}/thanks")

    def sees(self, text: str) -> None:
        """See a text."""
        expect(self.page.get_by_text(text).last).to_be_visible(timeout=10_000)
