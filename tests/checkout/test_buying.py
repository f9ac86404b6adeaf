"""Buying, page by page, without a browser's script."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from flask_wtf import CSRFProtect

from flask_paysafer.checkout.orders import CheckoutOrder
from flask_paysafer.checkout.texts import catalogue
from flask_paysafer.money import Money
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import CHALLENGE, DECLINED, GOOD, PAGE, Shop, hidden_fields

TEXTS = catalogue("en")


def test_a_customer_pays_and_goes_to_the_shops_own_page(shop: Shop) -> None:
    answer = shop.pay()
    assert (answer.status_code, answer.location) == (303, "/thanks")
    [payment] = shop.payments
    assert payment["status"] == "succeeded"
    assert (payment["amount"], payment["currency"]) == (15000, "aed")
    assert payment["metadata"]["paysafer_reference"] == "1234"
    assert payment["metadata"]["paysafer_attempt"] == "1"


def test_the_page_shows_the_order(shop: Shop) -> None:
    page = shop.open()
    assert page.status_code == 200
    assert "150.00" in page.text
    assert "Coffee, 1 kg" in page.text
    assert 'lang="en" dir="ltr"' in page.text


def test_the_answer_to_the_form_is_a_redirect_to_the_page_itself(shop: Shop) -> None:
    """Reloading then never pays, and a strict form-action is not left."""
    sent = shop.send(token=shop.token())
    assert (sent.status_code, sent.location) == (303, PAGE)


def test_an_order_that_does_not_exist_is_not_found(shop: Shop) -> None:
    assert shop.open("/paysafer/checkout/9999").status_code == 404
    assert shop.open("/paysafer/checkout/9999/status").status_code == 404
    assert shop.browser.post("/paysafer/checkout/9999", data={"token": "x"}).status_code == 404


def read(other_name: str) -> object:
    """Find order 10, as Python and databases read numbers and UUIDs."""
    for kind in (lambda text: int(text, 0), int, float, UUID):
        try:
            found = kind(other_name)
        except ValueError:
            continue
        if found in (10, 10.0, UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")):
            return 10 if found == 10 else found
    return None


@pytest.mark.parametrize(
    ("reference", "other_names"),
    [
        ("10", ["010", "10.0", "+10", "1e1", "0xA", "0o12", "0b1010", "1_0", "١٠"]),
        (
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            [
                "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
                "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
                "6ba7b8109dad11d180b400c04fd430c8",
            ],
        ),
    ],
)
def test_an_order_has_one_name(shop: Shop, reference: str, other_names: list[str]) -> None:
    """A loader whose database reads them all as the same order."""

    def load(text: str) -> CheckoutOrder | None:
        found = read(text)
        if found is None:
            return None
        return CheckoutOrder(reference=found, amount=Money(500, "aed"), success_url="/thanks")

    shop.paysafer.order_loader(load)
    page = f"/paysafer/checkout/{reference}"
    fields = hidden_fields(shop.open(page).text) | {"token": shop.token()}
    for other_name in other_names:
        assert load(other_name) is not None
        assert shop.open(f"/paysafer/checkout/{other_name}").status_code == 404
        assert shop.open(f"/paysafer/checkout/{other_name}/status").status_code == 404
        answer = shop.browser.post(f"/paysafer/checkout/{other_name}", data=fields)
        assert (answer.status_code, shop.payments) == (404, [])
    assert shop.send(page, token=shop.token()).status_code == 303
    assert len(shop.payments) == 1


@pytest.mark.parametrize("reference", ["%00", "1234%00", "1234%0A", "1234%20", "9" * 256])
def test_what_can_be_no_reference_never_reaches_the_loader(shop: Shop, reference: str) -> None:
    asked: list[str] = []
    shop.paysafer.order_loader(asked.append)
    page = f"/paysafer/checkout/{reference}"
    assert shop.open(page).status_code == 404
    assert shop.open(f"{page}/status").status_code == 404
    assert shop.browser.post(page, data={"token": "tok_1"}).status_code == 404
    assert asked == []


def test_an_async_loader_is_run_to_its_end(shop: Shop) -> None:
    async def load(reference: str) -> CheckoutOrder | None:
        return shop.orders.get(reference)

    shop.paysafer.order_loader(load)
    assert shop.open("/paysafer/checkout/9999").status_code == 404
    assert shop.pay().location == "/thanks"


@pytest.mark.parametrize("nothing", [None, False, 0, ""])
def test_whatever_is_false_is_no_order(shop: Shop, nothing: Any) -> None:
    shop.orders["1234"] = nothing
    assert shop.open().status_code == 404


def test_a_loader_that_returns_something_else_is_told_so(shop: Shop) -> None:
    shop.orders["1234"] = "order"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="must return a CheckoutOrder or None, not str"):
        shop.open()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("4000000000000002", "declined"),
        ("4000000000009995", "insufficient_funds"),
        ("4000000000009987", "declined"),
        ("4000000000009979", "declined"),
        ("4000000000006975", "card_velocity_exceeded"),
        ("4000000000000069", "expired_card"),
        ("4000000000000127", "incorrect_cvc"),
        ("4000000000000119", "processing_error"),
    ],
)
def test_a_decline_says_why_and_offers_another_try(shop: Shop, number: str, text: str) -> None:
    page = shop.pay(number)
    assert page.status_code == 200
    assert TEXTS[text] in page.text
    assert "data-paysafer-form" in page.text
    assert shop.pay(GOOD).location == "/thanks"
    assert [payment["status"] for payment in shop.payments] == ["canceled", "succeeded"]


def test_each_attempt_has_a_key_of_its_own(shop: Shop) -> None:
    shop.pay(DECLINED)
    shop.pay(GOOD)
    keys = [request.headers["idempotency-key"] for request in shop.transport.creations()]
    assert len(set(keys)) == 2
    assert [key.rpartition("_attempt_")[2] for key in keys] == ["1", "2"]


def test_a_paid_order_leads_on_and_is_not_paid_again(shop: Shop) -> None:
    shop.pay()
    assert shop.open().location == "/thanks"
    fields = hidden_fields(shop.open().text)
    assert fields == {}
    with shop.browser.session_transaction() as session:
        csrf = session["_paysafer_csrf"]
    again = shop.browser.post(PAGE, data={"token": shop.token(), "paysafer_csrf": csrf})
    assert again.status_code == 303
    assert len(shop.payments) == 1


def test_two_tabs_make_one_charge(shop: Shop) -> None:
    first_tab, second_tab = (hidden_fields(shop.open().text) for _ in range(2))
    for fields in (first_tab, second_tab):
        assert shop.browser.post(PAGE, data=fields | {"token": shop.token()}).status_code == 303
    assert len(shop.payments) == 1


def test_a_double_click_makes_one_charge(shop: Shop) -> None:
    fields = hidden_fields(shop.open().text) | {"token": shop.token()}
    for _ in range(2):
        assert shop.browser.post(PAGE, data=fields).status_code == 303
    assert len(shop.payments) == 1
    assert shop.open().location == "/thanks"


@pytest.mark.parametrize(
    "token", ["", "pm_card_visa", "tok_", "tok_../x", "tok_a\nb", "4242", "tok_" + "a" * 201]
)
def test_takes_nothing_but_a_token(shop: Shop, token: str) -> None:
    answer = shop.send(token=token)
    assert answer.status_code == 400
    assert TEXTS["card_unusable"] in answer.text
    assert shop.payments == []


def test_a_used_token_pays_nothing_and_another_try_is_offered(shop: Shop) -> None:
    used = shop.token()
    shop.paysafer_payment(used)
    sent = shop.send(token=used)
    page = shop.open(sent.location)
    assert TEXTS["card_unusable"] in page.text
    assert len(shop.payments) == 1
    assert shop.pay().location == "/thanks"


def test_a_request_forged_elsewhere_pays_nothing(shop: Shop) -> None:
    for fields in ({}, {"paysafer_csrf": ""}, {"paysafer_csrf": "ünknown"}):
        answer = shop.browser.post(PAGE, data={"token": shop.token(), **fields})
        assert answer.status_code == 400
        assert TEXTS["no_cookies"] in answer.text or TEXTS["expired_page"] in answer.text
    assert shop.payments == []


def test_another_customers_form_pays_nothing(shop: Shop) -> None:
    stolen = hidden_fields(shop.open(browser=shop.app.test_client()).text)
    shop.open()
    answer = shop.browser.post(PAGE, data=stolen | {"token": shop.token()})
    assert answer.status_code == 400
    assert shop.payments == []


@pytest.mark.parametrize(
    "fields",
    [
        {"number": "1"},
        {"cvc": "123"},
        {"note": "4242 4242 4242 4242"},
        {"token": "4242424242424242"},
    ],
)
def test_refuses_card_data(
    shop: Shop, fields: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert shop.send(**fields).status_code == 400
        assert shop.browser.post(f"{PAGE}?note=4242424242424242").status_code in {400, 415}
    assert shop.payments == []
    assert "4242" not in caplog.text


def test_refuses_bodies_that_are_no_form(shop: Shop) -> None:
    assert shop.browser.post(PAGE, json={"token": "tok_1"}).status_code == 415
    assert shop.browser.post(PAGE, data="x", content_type="text/plain").status_code == 415
    assert shop.send(token="tok_" + "a" * 70_000).status_code == 413


def test_works_beside_flask_wtf(make_shop: MakeShop) -> None:
    shop = make_shop()
    CSRFProtect(shop.app)
    assert shop.browser.post(PAGE, data={"token": shop.token()}).status_code == 400
    assert "csrf_token" in hidden_fields(shop.open().text)
    assert shop.pay().location == "/thanks"


def test_says_that_a_secret_key_is_missing(make_shop: MakeShop) -> None:
    shop = make_shop(SECRET_KEY=None)
    with pytest.raises(Exception, match="needs the app's SECRET_KEY"):
        shop.open()


@pytest.mark.parametrize(
    ("money", "shown"),
    [(Money(1234, "kwd"), "1.234"), (Money(500, "jpy"), "500"), (Money(99, "usd"), "0.99")],
)
def test_sells_in_any_currency(shop: Shop, money: Money, shown: str) -> None:
    shop.change_order(amount=money)
    assert shown in shop.open().text
    assert shop.pay().location == "/thanks"
    [payment] = shop.payments
    assert (payment["amount"], payment["currency"]) == (money.amount, money.currency)


def test_an_order_that_is_captured_later_is_authorised(shop: Shop) -> None:
    shop.change_order(capture_method="manual")
    assert TEXTS["authorise_note"] in shop.open().text
    assert shop.pay().location == "/thanks"
    [payment] = shop.payments
    assert payment["status"] == "requires_capture"
    assert shop.phase() == "authorised"
    with shop.app.app_context():
        shop.paysafer.client.payments.capture(payment["id"])
    shop.let_time_pass(2)
    assert shop.phase() == "paid"


def test_an_authorisation_that_was_given_up_frees_the_order(shop: Shop) -> None:
    shop.change_order(capture_method="manual")
    shop.pay()
    with shop.app.app_context():
        shop.paysafer.client.payments.cancel(shop.payments[0]["id"])
    shop.let_time_pass(1)
    page = shop.open()
    assert TEXTS["canceled"] in page.text
    assert shop.pay().location == "/thanks"


def test_passes_customer_and_metadata_on(shop: Shop) -> None:
    with shop.app.app_context():
        customer = shop.paysafer.client.customers.create(email="a@example.com").id
    shop.change_order(customer=customer, metadata={"basket": "7"}, receipt_email="a@example.com")
    shop.pay()
    [payment] = shop.payments
    assert payment["customer"] == customer
    assert payment["metadata"]["basket"] == "7"
    assert payment["receipt_email"] == "a@example.com"


def test_a_saved_card_is_the_loaders_choice_not_the_browsers(shop: Shop) -> None:
    with shop.app.app_context():
        customer = shop.paysafer.client.customers.create(email="a@example.com").id
    refused = shop.send(method="pm_card_mastercard")
    assert refused.status_code == 400
    shop.change_order(
        customer=customer,
        payment_method="pm_card_mastercard",
        payment_method_label="Mastercard •••• 4444",
    )
    assert "Mastercard •••• 4444" in shop.open().text
    assert shop.send(method="pm_card_visa").status_code == 400
    sent = shop.send(method="pm_card_mastercard", payment_method="pm_card_visa")
    assert shop.open(sent.location).location == "/thanks"
    [payment] = shop.payments
    assert payment["payment_method"] == "pm_card_mastercard"


def test_a_success_page_on_another_host_is_reached_by_a_link(shop: Shop) -> None:
    """A redirect there would end in a strict form-action."""
    shop.change_order(success_url="https://other.example/thanks")
    page = shop.pay()
    assert page.status_code == 200
    assert TEXTS["paid_title"] in page.text
    assert 'href="https://other.example/thanks"' in page.text


def test_the_success_page_is_never_the_browsers_choice(shop: Shop) -> None:
    shop.pay()
    answer = shop.open(f"{PAGE}?success_url=https://evil.example&next=https://evil.example&go=1")
    assert answer.location == "/thanks"


def test_nothing_in_the_address_makes_an_order_look_paid(shop: Shop) -> None:
    page = shop.open(f"{PAGE}?go=1&state=succeeded&status=paid&payment=pay_1")
    assert page.status_code == 200
    assert "data-paysafer-form" in page.text


@pytest.mark.parametrize(
    "reference", ["a b", "قهوة", "100%", "a?b=c#d", "..;x", "4242424242424242", "a&b<c>\"'"]
)
def test_references_are_any_text_without_a_slash(shop: Shop, reference: str) -> None:
    shop.orders[reference] = replace(shop.orders["1234"], reference=reference)
    with shop.app.test_request_context():
        page = shop.app.jinja_env.globals["paysafer_checkout_url"](reference)  # type: ignore[operator]
    sent = shop.send(page, token=shop.token())
    assert shop.open(sent.location).location == "/thanks"
    [payment] = shop.payments
    assert payment["metadata"]["paysafer_reference"] == reference


def test_the_page_is_guarded_and_kept_nowhere(shop: Shop) -> None:
    headers = shop.open().headers
    assert headers["Content-Security-Policy"] == (
        "default-src 'self'; connect-src 'self' http://127.0.0.1:4242; form-action 'self'; "
        "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("status", "page", "body"),
    [
        (404, "/paysafer/checkout/9999", {"data": {"token": "tok_1"}}),
        (400, PAGE, {"data": {"card_number": "1"}}),
        (400, PAGE, {"data": {"token": "tok_1"}}),
        (413, PAGE, {"data": {"token": "1" * 70_000}}),
        (415, PAGE, {"json": {"token": "tok_1"}}),
    ],
)
def test_a_refusal_is_guarded_as_the_page_is(
    shop: Shop, status: int, page: str, body: dict[str, Any]
) -> None:
    answer = shop.browser.post(page, **body)
    assert answer.status_code == status
    names = ["Content-Security-Policy", "Cache-Control", "Referrer-Policy"]
    wanted = shop.open().headers
    assert [answer.headers.get(name) for name in names] == [wanted[name] for name in names]


def test_what_the_pages_script_asks_is_kept_nowhere(shop: Shop) -> None:
    for page in (f"{PAGE}/status", "/paysafer/checkout/9999/status"):
        assert shop.open(page).headers["Cache-Control"] == "no-store"


def test_the_shops_own_policy_wins(shop: Shop) -> None:
    def set_policy(response: Any) -> Any:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    shop.app.after_request(set_policy)
    assert shop.open().headers["Content-Security-Policy"] == "default-src 'self'"


def test_nothing_on_the_page_is_inline_or_from_elsewhere(shop: Shop) -> None:
    page = shop.open().text
    assert " style=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count('<script src="/paysafer/assets/')
    assert " onclick" not in page
    own = re.sub(r'integrity="[^"]+"', "", page).replace("http://127.0.0.1:4242/v1", "")
    assert "//" not in own.replace("http://www.w3", "")


def test_the_files_are_served_as_the_tags_promise(shop: Shop) -> None:
    page = shop.open().text
    for kind in ("css", "js"):
        address = page.split(f"paysafer-checkout.{kind}")[0].rpartition('"')[2]
        answer = shop.open(f"{address}paysafer-checkout.{kind}")
        assert answer.status_code == 200
        assert "immutable" in answer.headers["Cache-Control"]
    assert shop.open("/paysafer/assets/0/paysafer-checkout.js").headers["Cache-Control"] == (
        "no-cache"
    )
    assert shop.open("/paysafer/assets/0/secrets.js").status_code == 404


def test_first_paint_needs_at_most_30_kb(shop: Shop) -> None:
    names = ("paysafer-checkout.css", "paysafer-checkout.js")
    assert sum(len(shop.open(f"/paysafer/assets/0/{name}").data) for name in names) <= 30_000


def test_speaks_arabic_to_browsers_that_do(shop: Shop) -> None:
    page = shop.browser.get(PAGE, headers={"Accept-Language": "ar"}).text
    assert 'lang="ar" dir="rtl"' in page
    assert catalogue("ar")["card_number"] in page


def test_the_orders_language_wins(shop: Shop) -> None:
    shop.change_order(locale="ar")
    assert 'lang="ar" dir="rtl"' in shop.open().text


def test_a_database_that_is_down_is_no_payment(shop: Shop, tmp_path: Any) -> None:
    fields = hidden_fields(shop.open().text)
    shop.let_time_pass(0)
    with shop.checkout._store._database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE paysafer_checkout RENAME TO gone")
    answer = shop.browser.post(PAGE, data=fields | {"token": shop.token()})
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert shop.open(f"{PAGE}/status").status_code == 503
    assert shop.payments == []


def test_status_tells_the_phase_and_no_more(shop: Shop) -> None:
    assert shop.open(f"{PAGE}/status").json == {"state": "open", "settled": False}
    shop.pay(CHALLENGE)
    answer = shop.open(f"{PAGE}/status")
    assert answer.json == {"state": "action", "settled": False}
    assert answer.headers["Cache-Control"] == "no-store"


def test_no_page_shows_a_secret_key(shop: Shop) -> None:
    pages = [shop.open().text, shop.pay(DECLINED).text, shop.pay(CHALLENGE).text]
    assert not any("sk_test" in page or "whsec" in page for page in pages)
    assert "pk_test_acmeshop1" in pages[0]


def test_the_scripts_texts_are_json(shop: Shop) -> None:
    attribute = shop.open().text.partition('data-messages="')[2].partition('"')[0]
    assert json.loads(attribute.replace("&#34;", '"').replace("&#39;", "'"))["network"]
