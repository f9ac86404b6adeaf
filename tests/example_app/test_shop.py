"""Buying, as somebody does who follows the shop's pages and its rules, or does not."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx
import pytest

from example_app.check import DECLINED_CARD, GOOD_CARD, check
from example_app.models import Order, db
from example_app.serving import OpenShop
from example_app.visitor import Form, Visitor
from flask_paysafer import PaySaferClient
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


def open_checkout(visitor: Visitor, coffee: str = "al-fahidi") -> tuple[httpx.Response, Form]:
    """Put a bag into the basket and go to where the card is asked for."""
    shelf = visitor.open("/")
    basket = visitor.submit(shelf, Form(shelf.text, action="/basket"), slug=coffee)
    page = visitor.submit(basket, Form(basket.text, action="/order"))
    return page, Form(page.text, data_paysafer_form=None)


def order_of(page: httpx.Response) -> str:
    return urlsplit(str(page.url)).path.split("/")[2]


def buy(visitor: Visitor, coffee: str = "al-fahidi", card: str = GOOD_CARD) -> str:
    """Buy a bag; return the order's id."""
    page, form = open_checkout(visitor, coffee)
    visitor.submit(page, form, token=visitor.make_token(form, card))
    return order_of(page)


def wait_for_status(visitor: Visitor, order: str, status: str) -> None:
    def has_status() -> bool:
        answer = visitor.open(f"/order/{order}/status").json()
        return bool(answer["status"] == status)

    wait_for(has_status, f"order {order} to be {status}")


def sign_in(visitor: Visitor, shop: OpenShop) -> httpx.Response:
    door = visitor.open("/staff/sign-in")
    passcode = shop.app.config["STAFF_PASSCODE"]
    return visitor.submit(door, Form(door.text, method="post"), passcode=passcode)


def payments(shop: OpenShop) -> list[tuple[str, int]]:
    """Return status and amount of every payment that PaySafer has."""
    with PaySaferClient("sk_test_dallahroasters", base_url=f"{shop.paysafer}/v1") as client:
        return [(payment.status, payment.amount) for payment in client.payments.list()]


def test_the_check_buys_with_a_good_card_and_is_told_of_a_declined_one(
    shop: OpenShop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(shop.url) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok    a good card: token made, payment created, webhook delivered")
    assert lines[1] == "ok    a declined card: the page says so and offers another try"


def test_a_check_that_finds_no_shop_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert check("http://127.0.0.1:9/") == 1
    assert "FAIL  a good card" in capsys.readouterr().out


def test_a_purchase_ends_with_the_order_paid_and_fulfilled_once(
    shop: OpenShop, visitor: Visitor
) -> None:
    order = buy(visitor)
    wait_for_status(visitor, order, "paid")
    assert payments(shop) == [("succeeded", 7250)]
    with shop.app.app_context():
        assert db.session.get_one(Order, order).fulfilments == 1


def test_a_declined_card_leaves_the_order_open_for_another(
    shop: OpenShop, visitor: Visitor
) -> None:
    page, form = open_checkout(visitor)
    declined = visitor.submit(page, form, token=visitor.make_token(form, DECLINED_CARD))
    assert "declined" in declined.text
    again = Form(declined.text, data_paysafer_form=None)
    visitor.submit(declined, again, token=visitor.make_token(again, GOOD_CARD))
    wait_for_status(visitor, order_of(page), "paid")
    assert payments(shop) == [("succeeded", 7250), ("canceled", 7250)]


def test_the_amount_is_the_shops_whatever_the_browser_sends(
    shop: OpenShop, visitor: Visitor
) -> None:
    page, form = open_checkout(visitor)
    token = visitor.make_token(form, GOOD_CARD)
    visitor.submit(page, form, token=token, amount="1", currency="usd")
    wait_for_status(visitor, order_of(page), "paid")
    assert payments(shop) == [("succeeded", 7250)]


def test_staff_capture_a_reserved_order_and_give_the_money_back(
    shop: OpenShop, visitor: Visitor
) -> None:
    order = buy(visitor, "founders-lot")
    wait_for_status(visitor, order, "reserved")
    staff = sign_in(visitor, shop)
    visitor.submit(staff, Form(staff.text, action=f"/staff/{order}/capture"))
    wait_for_status(visitor, order, "paid")
    staff = visitor.open("/staff/")
    visitor.submit(staff, Form(staff.text, action=f"/staff/{order}/refund"))
    wait_for_status(visitor, order, "refunded")
    with PaySaferClient("sk_test_dallahroasters", base_url=f"{shop.paysafer}/v1") as client:
        (payment,) = client.payments.list()
    assert (payment.amount_received, payment.amount_refunded) == (21000, 21000)


def test_a_card_that_asks_its_holder_is_reserved_once_the_holder_agreed(
    shop: OpenShop, visitor: Visitor
) -> None:
    page, form = open_checkout(visitor, "founders-lot")
    token = visitor.make_token(form, "4000002760003184")
    asked = visitor.submit(page, form, token=token)
    (challenge,) = [part.split('"')[0] for part in asked.text.split('data-next="')[1:]]
    bank = visitor.open(challenge)
    visitor.submit(bank, Form(bank.text, method="post"))
    wait_for_status(visitor, order_of(page), "reserved")


def test_the_staffs_page_is_for_the_staff(shop: OpenShop, visitor: Visitor) -> None:
    assert urlsplit(str(visitor.open("/staff/").url)).path == "/staff/sign-in"
    door = visitor.open("/staff/sign-in")
    refused = visitor.submit(door, Form(door.text, method="post"), passcode="guess")
    assert "That is not the passcode" in refused.text


@pytest.mark.parametrize("path", ["/basket", "/order", "/staff/sign-in"])
def test_forms_of_other_sites_are_refused(visitor: Visitor, path: str) -> None:
    visitor.open("/")
    form = Form(f'<form action="{path}"></form>', action=path)
    assert visitor.submit(visitor.open("/"), form).status_code == 400


def test_the_shop_speaks_arabic_from_right_to_left(visitor: Visitor) -> None:
    visitor.open("/language/ar")
    page, _ = open_checkout(visitor)
    assert '<html lang="ar" dir="rtl">' in page.text
    assert "رقم البطاقة" in page.text


def test_the_checkout_names_the_coffee_in_the_visitors_language(visitor: Visitor) -> None:
    visitor.open("/language/ar")
    page, _ = open_checkout(visitor)
    checkout = visitor.open(f"/paysafer/checkout/{order_of(page)}")
    assert "الفهيدي" in checkout.text
    assert "Al Fahidi" not in checkout.text


def test_the_staff_reads_arabic_too(shop: OpenShop, visitor: Visitor) -> None:
    visitor.open("/language/ar")
    page, form = open_checkout(visitor)
    visitor.submit(page, form, token=visitor.make_token(form, DECLINED_CARD))
    order = buy(visitor)
    wait_for_status(visitor, order, "paid")
    page = sign_in(visitor, shop)
    words = ("فشلت الدفعة", "الطلبات", "مدفوع", "رد المبلغ", "إشعارات")
    assert [word for word in words if word not in page.text] == []


@pytest.mark.parametrize(
    ("path", "shown"), [("basket", "/basket"), ("/another.example/x", "/another.example/x")]
)
def test_another_language_is_chosen_for_the_page_one_is_on(
    shop: OpenShop, path: str, shown: str
) -> None:
    answer = httpx.get(f"{shop.url}language/ar", headers={"Referer": shop.url + path})
    assert answer.headers["location"] == shown


@pytest.mark.parametrize("referrer", ["http://elsewhere.example/x", "http://[x"])
def test_a_language_chosen_from_elsewhere_leads_to_the_shelf(shop: OpenShop, referrer: str) -> None:
    answer = httpx.get(f"{shop.url}language/ar", headers={"Referer": referrer})
    assert answer.headers["location"] == "/"


def test_an_order_that_does_not_exist_is_not_found(visitor: Visitor) -> None:
    page, form = open_checkout(visitor)
    form.attributes["action"] = "/paysafer/checkout/another"
    token = visitor.make_token(form, GOOD_CARD)
    assert visitor.submit(page, form, token=token).status_code == 404


@pytest.mark.parametrize("path", ["/nowhere", "/order/another", "/paysafer/checkout/another"])
def test_what_is_not_found_is_told_in_the_shops_own_look(shop: OpenShop, path: str) -> None:
    page = httpx.get(shop.url.rstrip("/") + path, headers={"Accept-Language": "ar"})
    assert page.status_code == 404
    assert '<html lang="ar" dir="rtl">' in page.text
    assert "لا توجد صفحة أو طلب بهذا العنوان." in page.text
