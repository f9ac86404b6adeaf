"""Typing a card in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from flask_paysafer.checkout.texts import catalogue
from flask_paysafer.sandbox import Sandbox
from tests.checkout.browser.conftest import MakeCustomer
from tests.checkout.browser.customer import Customer
from tests.checkout.browser.live import Recorder, served
from tests.checkout.shop import Shop

TEXTS = catalogue("en")


@pytest.fixture(scope="module")
def tab(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Customer]:
    """One tab for all tests of this file: none of them pays."""
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox())
        stack.enter_context(sandbox.serve())
        settings: dict[str, Any] = {"PAYSAFER_API_BASE": f"{sandbox.url}/v1"}
        shop = stack.enter_context(
            closing(Shop(sandbox, tmp_path_factory.mktemp("shop"), **settings))
        )
        recorder = Recorder(shop.app.wsgi_app)
        url = stack.enter_context(served(recorder))
        context = browser.new_context()
        stack.callback(context.close)
        tab = Customer(context.new_page(), shop, recorder, url)
        yield tab
        assert recorder.posts() == []
        assert tab.violations == tab.errors == []


@pytest.fixture
def form(tab: Customer) -> Customer:
    return tab.open()


def number(form: Customer) -> Locator:
    return form.page.get_by_label(TEXTS["card_number"])


def expiry(form: Customer) -> Locator:
    return form.page.get_by_label(TEXTS["expiry"])


def cvc(form: Customer) -> Locator:
    return form.page.get_by_label(TEXTS["cvc"])


def retyped(field: Locator, text: str) -> str:
    field.fill("")
    field.press_sequentially(text)
    return field.input_value()


def test_groups_a_number_as_it_is_typed(form: Customer) -> None:
    field = number(form)
    assert retyped(field, "4242424242424242") == "4242 4242 4242 4242"
    assert retyped(field, "378282246310005") == "3782 822463 10005"
    assert retyped(field, "30569309025904") == "3056 930902 5904"
    assert retyped(field, "4242x4242") == "4242 4242"


def test_groups_a_number_as_it_is_pasted(form: Customer) -> None:
    field = number(form)
    for pasted in ("4242424242424242", " 4242-4242-4242-4242 ", "4242 4242\t42424242"):
        field.fill(pasted)
        assert field.input_value() == "4242 4242 4242 4242"


def test_takes_digits_of_arabic_keyboards(form: Customer) -> None:
    assert retyped(number(form), "٤٢٤٢٤٢٤٢") == "4242 4242"
    assert retyped(expiry(form), "۱۲۳۰") == "12 / 30"


def test_keeps_the_caret_where_a_digit_is_put_in(form: Customer) -> None:
    field = number(form)
    field.fill("424242424242")
    field.evaluate("field => field.setSelectionRange(2, 2)")
    field.press("9")
    assert field.input_value() == "4294 2424 2424 2"
    assert field.evaluate("field => field.selectionStart") == 3


def test_deletes_across_groups(form: Customer) -> None:
    field = number(form)
    field.fill("42424")
    field.press("Backspace")
    assert field.input_value() == "4242"


def test_recognises_the_brand(form: Customer) -> None:
    badge = form.page.locator("[data-paysafer-brand]")
    for digits, brand in [
        ("4", "Visa"),
        ("5555", "Mastercard"),
        ("2221", "Mastercard"),
        ("2720", "Mastercard"),
        ("34", "Amex"),
        ("6011", "Discover"),
        ("3528", "JCB"),
        ("62", "UnionPay"),
        ("36", "Diners"),
        ("9", ""),
        ("2721", ""),
    ]:
        number(form).fill(digits)
        expect(badge).to_have_text(brand)


def test_an_amex_has_a_longer_code(form: Customer) -> None:
    number(form).fill("378282246310005")
    assert retyped(cvc(form), "12345") == "1234"
    expect(form.page.get_by_text(TEXTS["cvc_hint_amex"])).to_be_visible()
    number(form).fill("4242424242424242")
    assert retyped(cvc(form), "12345") == "123"


@pytest.mark.parametrize("enter", [Locator.fill, retyped])
def test_writes_the_expiry_date_one_way(form: Customer, enter: Callable[..., object]) -> None:
    field = expiry(form)
    for text in ("1230", "12/30", "12 / 30", "12-30", " 12.30"):
        enter(field, text)
        assert field.input_value() == "12 / 30", text
    for text in ("1/30", "01/30", "1 30"):
        enter(field, text)
        assert field.input_value() == "01 / 30", text
    enter(field, "930")
    assert field.input_value() == "09 / 30"
    for text in ("12/2030", "122030"):
        enter(field, text)
        field.blur()
        expect(field).not_to_have_attribute("aria-invalid", "true")


def test_the_expiry_date_can_be_deleted(form: Customer) -> None:
    field = expiry(form)
    field.press_sequentially("1230")
    for _ in range(10):
        field.press("Backspace")
    assert field.input_value() == ""


def test_asks_keyboards_and_browsers_for_the_right_thing(form: Customer) -> None:
    for field, fills in ((number(form), "number"), (expiry(form), "exp"), (cvc(form), "csc")):
        expect(field).to_have_attribute("inputmode", "numeric")
        expect(field).to_have_attribute("autocomplete", f"cc-{fills}")
        assert field.get_attribute("name") is None
    expect(form.page.get_by_label(TEXTS["name"])).to_have_attribute("autocomplete", "cc-name")


def test_marks_what_is_missing_and_goes_to_the_first(form: Customer) -> None:
    form.pay()
    for field, text in (
        (number(form), "number_missing"),
        (expiry(form), "expiry_missing"),
        (cvc(form), "cvc_missing"),
    ):
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(
            f"{TEXTS['cvc_hint']} {TEXTS[text]}" if text == "cvc_missing" else TEXTS[text]
        )
    expect(number(form)).to_be_focused()
    assert form.shop.sandbox.requests() == []


def test_goes_to_the_first_field_that_is_wrong(form: Customer) -> None:
    form.fill(cvc="1").pay()
    expect(cvc(form)).to_be_focused()
    expect(form.page.get_by_text("The security code has 3 digits.")).to_be_visible()


@pytest.mark.parametrize(
    ("digits", "right"),
    [
        ("4242 4242 4242 4241", False),
        ("4242 4242 4242", False),
        ("4000 0566 5566 5556", True),
        ("6011 1111 1111 1117", True),
        ("3566 0020 2036 0505", True),
    ],
)
def test_checks_the_number_before_it_is_sent(form: Customer, digits: str, right: bool) -> None:
    field = number(form)
    field.fill(digits)
    field.blur()
    expect(form.page.get_by_text(TEXTS["number_invalid"])).to_be_visible(visible=not right)


@pytest.mark.parametrize(
    ("date", "text"),
    [
        ("13/30", "expiry_invalid"),
        ("00/30", "expiry_invalid"),
        ("12", "expiry_invalid"),
        ("12/3", "expiry_invalid"),
        ("01/20", "expiry_past"),
    ],
)
def test_checks_the_date_before_it_is_sent(form: Customer, date: str, text: str) -> None:
    field = expiry(form)
    field.fill(date)
    field.blur()
    expect(form.page.get_by_text(TEXTS[text])).to_be_visible()


def test_an_error_goes_away_as_it_is_corrected(form: Customer) -> None:
    form.pay()
    number(form).press_sequentially("4")
    expect(number(form)).not_to_have_attribute("aria-invalid", "true")
    expect(form.page.get_by_text(TEXTS["number_missing"])).to_be_hidden()


def test_a_card_is_good_to_the_end_of_its_month(make_customer: MakeCustomer) -> None:
    form = make_customer()
    form.page.clock.set_fixed_time("2030-12-31T12:00:00")
    form.open().fill(expiry="12/30")
    expiry(form).blur()
    expect(expiry(form)).not_to_have_attribute("aria-invalid", "true")
    form.fill(expiry="11/30")
    expiry(form).blur()
    expect(expiry(form)).to_have_attribute("aria-invalid", "true")
