"""For everybody: axe finds nothing, nothing is cut off, in both languages and schemes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe

from flask_paysafer.money import Money
from tests.checkout.browser.conftest import MakeCustomer
from tests.checkout.browser.customer import Customer
from tests.checkout.shop import CHALLENGE, DECLINED

CREATE: dict[str, Any] = {"method": "POST", "path": "/v1/payments"}
LOOKS = pytest.mark.parametrize(
    ("locale", "scheme"),
    [("en-AE", "light"), ("en-AE", "dark"), ("ar-AE", "light"), ("ar", "dark")],
)


def check(customer: Customer) -> None:
    """Check the page as it stands, and that it fits small and large screens."""
    results = Axe().run(customer.page)
    assert results.violations_count == 0, results.generate_report()
    for width in (320, 768, 1280):
        customer.page.set_viewport_size({"width": width, "height": 800})
        overflow = customer.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"{width} px: {overflow} px too wide"


@LOOKS
def test_every_phase_of_the_page(
    make_customer: MakeCustomer, locale: str, scheme: Literal["light", "dark"]
) -> None:
    customer = make_customer(locale=locale, color_scheme=scheme)
    shop = customer.shop
    shop.change_order(
        cancel_url="/basket",
        description="Yirgacheffe, washed, one kilogramme of whole beans, and a grinder",
        success_url="https://other.example/thanks",
    )
    customer.open()
    check(customer)
    customer.pay()
    check(customer)
    customer.fill(DECLINED).pay()
    customer.page.locator("[data-paysafer-alert]:not([hidden])").wait_for()
    check(customer)
    customer.fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{shop.sandbox.url}/**")
    customer.open()
    check(customer)
    shop.change_order(amount=Money(1_234_567_890, "kwd"))
    customer.open()
    check(customer)
    shop.pay()
    customer.open()
    check(customer)
    shop.change_order(amount=Money(100, "aed"))
    customer.open()
    check(customer)


@LOOKS
def test_waiting(
    make_customer: MakeCustomer, locale: str, scheme: Literal["light", "dark"]
) -> None:
    customer = make_customer(locale=locale, color_scheme=scheme)
    customer.shop.sandbox.fault("error-500", times=999, **CREATE)
    customer.open().fill().pay()
    customer.page.locator("[data-paysafer-wait]").wait_for()
    check(customer)


def test_a_choice_of_cards(customer: Customer) -> None:
    customer.shop.change_order(
        customer="cus_1", payment_method="pm_card_visa", payment_method_label="Visa •••• 4242"
    )
    customer.open()
    check(customer)


def test_forms_in_a_page_of_the_shop(customer: Customer) -> None:
    customer.shop.orders["1235"] = replace(customer.shop.orders["1234"], reference="1235")
    customer.open("/basket")
    check(customer)
