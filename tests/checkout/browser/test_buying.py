"""Buying in a real browser."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from flask_paysafer.checkout.texts import catalogue
from tests.checkout.browser.conftest import MakeCustomer
from tests.checkout.browser.customer import Customer
from tests.checkout.shop import CHALLENGE, DECLINED, GOOD, PAGE, Shop

TEXTS = catalogue("en")
CREATE: dict[str, Any] = {"method": "POST", "path": "/v1/payments"}
TOKENS: dict[str, Any] = {"method": "POST", "path": "/v1/tokens"}


def digits(text: str) -> str:
    return text.replace(" ", "")


def paid(shop: Shop) -> list[str]:
    return [payment["id"] for payment in shop.payments if payment["status"] == "succeeded"]


def test_a_purchase(customer: Customer) -> None:
    customer.open().fill().pay().arrives()
    assert len(paid(customer.shop)) == 1
    [post] = customer.recorder.posts()
    assert set(post) == {"token", "shown", "page", "paysafer_csrf"}
    assert re.fullmatch(r"tok_\w+", post["token"])


def test_a_purchase_under_the_strictest_policy_of_a_shop(customer: Customer) -> None:
    """``connect-src`` without ``'self'``: the form is sent, not fetched."""
    policy = f"default-src 'self'; connect-src {customer.shop.sandbox.url}; form-action 'self'"
    customer.shop.app.after_request(
        lambda answer: answer.headers.update({"Content-Security-Policy": policy}) or answer
    )
    customer.open().fill().pay().arrives()
    assert len(paid(customer.shop)) == 1
    customer.violations.clear()


def test_waiting_under_the_strictest_policy_of_a_shop(customer: Customer) -> None:
    """The page may not ask for its status there: it loads itself again."""
    policy = f"default-src 'self'; connect-src {customer.shop.sandbox.url}"
    customer.shop.app.after_request(
        lambda answer: answer.headers.update({"Content-Security-Policy": policy}) or answer
    )
    customer.shop.sandbox.fault("error-500", times=2, **CREATE)
    customer.open().fill().pay().arrives()
    customer.violations.clear()
    assert len(customer.shop.payments) == 1


def test_every_decline_says_why_until_a_card_is_good(customer: Customer) -> None:
    customer.open()
    for number, reason in [
        ("4000000000000002", "declined"),
        ("4000000000009995", "insufficient_funds"),
        ("4000000000009987", "declined"),
        ("4000000000009979", "declined"),
        ("4000000000006975", "card_velocity_exceeded"),
        ("4000000000000069", "expired_card"),
        ("4000000000000127", "incorrect_cvc"),
        ("4000000000000119", "processing_error"),
    ]:
        customer.fill(number).pay()
        alert = customer.page.get_by_role("alert")
        expect(alert).to_have_text(TEXTS[reason])
        wrong = {"expired_card": "expiry", "incorrect_cvc": "cvc"}.get(reason)
        focused = customer.field(wrong) if wrong else alert
        expect(focused).to_be_focused()
        assert digits(customer.field("number").input_value()) == number
        assert customer.field("expiry").input_value() == "12 / 30"
        assert customer.field("cvc").input_value() == ""
        customer.shop.let_time_pass(3601)  # so that no pause between declines is due
    customer.fill().pay().arrives()
    assert len(paid(customer.shop)) == 1


def test_reloading_a_declined_page_pays_nothing(customer: Customer) -> None:
    customer.open().fill(DECLINED).pay()
    customer.sees(TEXTS["declined"])
    customer.page.reload()
    customer.sees(TEXTS["declined"])
    assert len(customer.shop.payments) == 1


def test_the_bank_confirms_and_the_customer_comes_back(customer: Customer) -> None:
    customer.open().fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.page.locator("#pass").click()
    customer.arrives()
    assert len(paid(customer.shop)) == 1


def test_the_bank_refuses_and_another_card_is_good(customer: Customer) -> None:
    customer.open().fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.page.locator("#refuse").click()
    customer.sees(TEXTS["authentication_failed"])
    customer.fill().pay().arrives()
    assert len(paid(customer.shop)) == 1


def test_going_back_from_the_bank_leaves_the_choice(customer: Customer) -> None:
    customer.open().fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.page.go_back()
    customer.sees(TEXTS["action"])
    expect(customer.page.get_by_role("link", name=TEXTS["action_button"])).to_be_visible()
    customer.page.get_by_role("button", name=TEXTS["other_card"]).click()
    customer.fill().pay().arrives()
    assert [payment["status"] for payment in customer.shop.payments] == ["canceled", "succeeded"]


def test_going_back_from_the_bank_after_a_declined_card_leaves_the_choice(
    customer: Customer,
) -> None:
    """The declined page was shown right after paying: showing it again pays and leads nowhere."""
    customer.open().fill(DECLINED).pay()
    customer.sees(TEXTS["declined"])
    customer.fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.page.go_back()
    customer.sees(TEXTS["action"])
    expect(customer.page.get_by_role("link", name=TEXTS["action_button"])).to_be_visible()
    assert customer.page.url == customer.url + PAGE


def test_a_challenge_passed_elsewhere_is_noticed_by_the_page(customer: Customer) -> None:
    customer.open().fill(CHALLENGE).pay()
    customer.page.wait_for_url(f"{customer.shop.sandbox.url}/**")
    customer.open()
    customer.sees(TEXTS["action"])
    httpx.post(str(customer.shop.attempt.next_url), data={"result": "pass"})
    customer.arrives()


def test_the_browser_confirms_where_paysafer_waits_for_it(customer: Customer) -> None:
    inner = customer.shop.transport._inner

    class WithoutConfirming(httpx.BaseTransport):
        """Has the payment wait, as PaySafer may decide."""

        def close(self) -> None:
            inner.close()

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            if request.method != "POST" or request.url.path != "/v1/payments":
                return inner.handle_request(request)
            headers = dict(request.headers)
            del headers["content-length"]
            body = json.loads(request.read()) | {"confirm": False}
            return inner.handle_request(
                httpx.Request("POST", request.url, headers=headers, json=body)
            )

    customer.shop.transport._inner = WithoutConfirming()
    customer.open().fill().pay().arrives()
    [confirmation] = [
        request
        for request in customer.shop.sandbox.requests()
        if request["path"].endswith("/confirm") and request["method"] == "POST"
    ]
    assert confirmation["status"] == 200


def test_a_double_click_pays_once(customer: Customer) -> None:
    customer.shop.sandbox.fault("delay", seconds=0.3, **TOKENS)
    customer.open().fill()
    customer.button.dblclick()
    customer.button.click(force=True)
    expect(customer.button).to_have_attribute("aria-disabled", "true")
    expect(customer.button).to_contain_text(TEXTS["paying"])
    customer.arrives()
    assert len(customer.shop.payments) == 1
    assert len(customer.recorder.posts()) == 1


def test_two_tabs_pay_once(customer: Customer) -> None:
    other = Customer(
        customer.page.context.new_page(), customer.shop, customer.recorder, customer.url
    )
    customer.open().fill()
    other.open().fill()
    customer.shop.sandbox.fault("delay", seconds=0.5, **CREATE)
    customer.button.click(no_wait_after=True)
    other.button.click(no_wait_after=True)
    customer.arrives()
    other.arrives()
    assert len(customer.shop.payments) == 1


def test_reloading_in_mid_payment_pays_once(customer: Customer) -> None:
    customer.shop.sandbox.fault("delay", seconds=1, **CREATE)
    customer.open().fill()
    customer.button.click(no_wait_after=True)
    assert customer.shop.transport.has_asked.wait(10)
    customer.open()
    customer.arrives()
    assert len(customer.shop.payments) == 1


def test_the_back_button_after_paying_leads_on_again(customer: Customer) -> None:
    customer.open().fill().pay().arrives()
    customer.page.go_back()
    customer.arrives()
    assert len(customer.shop.payments) == 1


def test_losing_the_network_before_the_card_is_sent(customer: Customer) -> None:
    customer.open().fill()
    customer.page.context.set_offline(True)
    customer.pay()
    customer.sees(TEXTS["network"])
    expect(customer.page.get_by_role("alert")).to_be_focused()
    customer.page.context.set_offline(False)
    customer.pay().arrives()
    assert len(customer.shop.payments) == 1


def test_losing_the_network_when_the_shop_has_the_token(customer: Customer) -> None:
    """The browser shows its own error; whatever comes next shows the truth."""
    customer.open().fill()
    customer.shop.sandbox.fault("delay", seconds=0.5, **CREATE)
    customer.button.click(no_wait_after=True)
    assert customer.shop.transport.has_asked.wait(10)
    customer.page.context.set_offline(True)
    customer.page.context.set_offline(False)
    customer.open()
    customer.arrives()
    assert len(customer.shop.payments) == 1


def test_an_answer_that_is_lost_is_waited_for(customer: Customer) -> None:
    customer.shop.sandbox.fault("lost-answer", times=1, **CREATE)
    customer.shop.sandbox.fault("error-500", times=1, **CREATE)
    customer.open().fill().pay()
    customer.sees(TEXTS["checking"])
    expect(customer.page.locator(".paysafer-spinner")).to_be_visible()
    customer.arrives()
    assert len(customer.shop.payments) == 1


def test_being_offline_while_waiting_is_said_and_overcome(customer: Customer) -> None:
    customer.shop.sandbox.fault("error-500", times=2, **CREATE)
    customer.open().fill().pay()
    customer.sees(TEXTS["checking"])
    customer.page.context.set_offline(True)
    customer.sees(TEXTS["offline"])
    customer.page.context.set_offline(False)
    customer.arrives()
    assert len(customer.shop.payments) == 1


def test_a_busy_paysafer_charges_nothing_and_can_be_tried_again(customer: Customer) -> None:
    customer.shop.sandbox.fault("rate-limit", **TOKENS)
    customer.open().fill().pay()
    customer.sees(TEXTS["busy"])
    assert customer.recorder.posts() == []
    customer.pay().arrives()


def test_a_number_that_paysafer_refuses_is_marked(customer: Customer) -> None:
    customer.open().fill("4111 1111 1111 1111").pay()
    number = customer.page.get_by_label(TEXTS["card_number"])
    expect(number).to_be_focused()
    expect(number).to_have_attribute("aria-invalid", "true")
    customer.sees(TEXTS["number_invalid"])


def test_an_embedded_form_among_several(customer: Customer) -> None:
    customer.shop.orders["1235"] = replace(customer.shop.orders["1234"], reference="1235")
    customer.open("/basket").fill().pay().arrives()
    [payment] = customer.shop.payments
    assert payment["metadata"]["paysafer_reference"] == "1235"


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_shops_colours_win_wherever_its_style_sheet_stands(
    customer: Customer, place: str
) -> None:
    """An embedded form brings its own style sheet along, below the shop's in the page."""
    customer.open("/basket")
    customer.page.evaluate(
        """place => {
            const style = document.createElement("style");
            style.textContent = ":root { --paysafer-accent: rgb(1, 2, 3) }";
            document.querySelector("link[href*=paysafer]")[place](style);
        }""",
        place,
    )
    expect(customer.button).to_have_css("background-color", "rgb(1, 2, 3)")


def test_a_saved_card(customer: Customer) -> None:
    with customer.shop.app.app_context():
        saved = customer.shop.paysafer.client.customers.create(email="a@example.com").id
    customer.shop.change_order(
        customer=saved, payment_method="pm_card_visa", payment_method_label="Visa •••• 4242"
    )
    customer.open()
    number = customer.page.get_by_label(TEXTS["card_number"])
    expect(number).to_be_hidden()
    customer.page.get_by_label(TEXTS["another_card"]).check()
    expect(number).to_be_visible()
    customer.page.get_by_label("Visa •••• 4242").check()
    customer.pay().arrives()
    assert customer.shop.payments[0]["payment_method"] == "pm_card_visa"


def test_another_card_than_the_saved_one(customer: Customer) -> None:
    with customer.shop.app.app_context():
        saved = customer.shop.paysafer.client.customers.create(email="a@example.com").id
    customer.shop.change_order(
        customer=saved, payment_method="pm_card_visa", payment_method_label="Visa •••• 4242"
    )
    customer.open()
    customer.page.get_by_label(TEXTS["another_card"]).check()
    customer.fill("5555 5555 5555 4444").pay().arrives()
    assert customer.shop.payments[0]["payment_method"].startswith("tok_")


def test_an_order_that_is_captured_later(customer: Customer) -> None:
    customer.shop.change_order(capture_method="manual")
    customer.open()
    customer.sees(TEXTS["authorise_note"])
    customer.fill().pay().arrives()
    assert customer.shop.payments[0]["status"] == "requires_capture"


def test_a_success_page_on_another_host(customer: Customer) -> None:
    customer.shop.change_order(
        success_url=f"{customer.url.replace('127.0.0.1', 'localhost')}/thanks"
    )
    customer.open().fill().pay()
    customer.page.wait_for_url("http://localhost:*/thanks")


def test_without_javascript_it_says_so_and_sends_nothing(make_customer: MakeCustomer) -> None:
    customer = make_customer(java_script_enabled=False)
    customer.open()
    customer.sees(TEXTS["noscript"])
    expect(customer.button).to_be_disabled()
    expect(customer.page.locator("[data-paysafer-field=number]")).to_be_disabled()
    assert customer.recorder.posts() == []


def test_a_script_that_was_tampered_with_does_not_run(customer: Customer) -> None:
    """Subresource Integrity; the page then says what is missing, and sends nothing."""
    customer.page.route(
        "**/paysafer-checkout.js",
        lambda route: route.fulfill(body="alert(1)", content_type="text/javascript"),
    )
    customer.open()
    customer.sees(TEXTS["noscript"])
    expect(customer.button).to_be_disabled()
    assert [text for text in customer.violations if "integrity" in text]
    customer.violations.clear()


def test_by_keyboard_alone(customer: Customer) -> None:
    customer.open()
    press, keyboard = customer.page.keyboard.press, customer.page.keyboard
    press("Tab")
    expect(customer.page.get_by_label(TEXTS["card_number"])).to_be_focused()
    keyboard.type(GOOD)
    press("Tab")
    keyboard.type("1230")
    press("Tab")
    keyboard.type("123")
    press("Tab")
    keyboard.type("A. Customer")
    press("Tab")
    expect(customer.button).to_be_focused()
    press("Enter")
    customer.arrives()
    assert len(paid(customer.shop)) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_arabic_from_right_to_left(make_customer: MakeCustomer, scheme: str) -> None:
    arabic = catalogue("ar")
    customer = make_customer(locale="ar-AE", color_scheme=scheme)
    customer.open()
    expect(customer.page.locator("html")).to_have_attribute("dir", "rtl")
    customer.fill(DECLINED).pay()
    customer.sees(arabic["declined"])
    # Digits as an Arabic keyboard types them.
    customer.fill("٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢", "١٢٣٠", "١٢٣").pay().arrives()
