"""The form in pages that come and go: autofill, SPA navigation, the back button, no cookies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.sync_api import expect

from flask_paysafer.checkout.orders import LineItem
from flask_paysafer.checkout.texts import catalogue
from flask_paysafer.money import Money
from tests.checkout.browser.conftest import MakeCustomer
from tests.checkout.browser.customer import Customer
from tests.checkout.shop import CHALLENGE, DECLINED, PAGE

TEXTS = catalogue("en")


@pytest.mark.parametrize("written", ["2032-05", "203205", "32/05", "05/32", "0532", "5/2032"])
def test_an_expiry_is_understood_however_autofill_writes_it(
    customer: Customer, written: str
) -> None:
    customer.open().fill(expiry=written)
    assert customer.field("expiry").input_value() in {"05 / 32", "05 / 2032"}
    customer.pay().arrives()


def test_card_fields_are_empty_after_coming_back(customer: Customer) -> None:
    customer.open("/basket").fill()
    customer.page.goto(f"{customer.url}/thanks")
    customer.page.go_back()
    customer.page.wait_for_timeout(100)
    assert {customer.field(name).input_value() for name in ("number", "expiry", "cvc")} == {""}


def test_after_paying_on_an_embedded_form_going_back_shows_no_card(customer: Customer) -> None:
    customer.shop.orders["1235"] = replace(customer.shop.orders["1234"], reference="1235")
    customer.open("/basket").fill().pay().arrives()
    customer.page.go_back()
    customer.sees(TEXTS["paid_title"])
    for field in customer.page.locator("[data-paysafer-field]").all():
        assert field.input_value() == ""


def test_an_embedded_form_stays_in_its_page_after_a_decline(customer: Customer) -> None:
    customer.open("/basket?lang=en").fill(DECLINED).pay()
    customer.sees(TEXTS["declined"])
    assert customer.page.url == f"{customer.url}/basket?lang=en"
    customer.fill().pay().arrives()


def test_an_embedded_form_comes_back_to_its_page_from_the_bank(customer: Customer) -> None:
    customer.open("/basket?lang=en").fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.page.locator("#pass").click()
    customer.page.wait_for_url(f"{customer.url}/basket?lang=en")
    customer.sees(TEXTS["paid_title"])


def test_a_form_that_arrives_later_works(customer: Customer) -> None:
    """As Turbo Drive and htmx bring it: its HTML is put into a page that is there."""
    customer.open("/basket")
    html = customer.page.locator("section").first.inner_html()
    customer.page.evaluate(
        "html => { document.querySelector('main').innerHTML = html; }",
        html,
    )
    customer.fill().pay().arrives()


def test_blocked_cookies_are_said(make_customer: MakeCustomer) -> None:
    customer = make_customer().open().fill()
    customer.page.context.clear_cookies()
    customer.pay()
    customer.sees(TEXTS["no_cookies"])
    assert customer.shop.payments == []


@pytest.mark.parametrize("locale", ["en", "ar"])
def test_twelve_digits_fit_a_small_phone(make_customer: MakeCustomer, locale: str) -> None:
    customer = make_customer(viewport={"width": 320, "height": 640})
    amount = Money(999_999_999_999, "aed")
    customer.shop.change_order(
        amount=amount,
        locale=locale,
        lines=(LineItem(name="Yirgacheffe, washed, a whole harvest", quantity=40, amount=amount),),
    )
    customer.open()
    width = customer.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 320


def test_the_title_says_what_has_happened(customer: Customer) -> None:
    customer.open()
    expect(customer.page).to_have_title(TEXTS["title"])
    customer.fill(DECLINED).pay()
    customer.sees(TEXTS["declined"])
    expect(customer.page).to_have_title(TEXTS["not_paid_title"])
    customer.open(PAGE)
    expect(customer.page).to_have_title(TEXTS["not_paid_title"])
    with customer.shop.app.app_context():
        customer.shop.paysafer.close_checkout("1234")
    customer.open(PAGE)
    expect(customer.page).to_have_title(TEXTS["closed_title"])
