"""The main job by hand: buy, be declined, pay with another card, be given the money back."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from example_app.check import DECLINED_CARD, GOOD_CARD
from example_app.serving import OpenShop


def go_to_checkout(page: Page, coffee: str) -> None:
    page.goto("/")
    page.get_by_role("button", name=f"Add to basket: {coffee}").click()
    page.get_by_role("button", name="Check out").click()


def pay(page: Page, card: str) -> None:
    page.get_by_label("Card number").fill(card)
    page.get_by_label("Expiry date").fill("12 / 40")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay").click()


def sign_in_as_staff(page: Page, shop: OpenShop) -> None:
    page.goto("/staff/")
    page.get_by_label("Passcode").fill(shop.app.config["STAFF_PASSCODE"])
    page.get_by_role("button", name="Sign in").click()


def test_a_customer_is_declined_pays_with_another_card_and_gets_the_money_back(
    page: Page, shop: OpenShop
) -> None:
    go_to_checkout(page, "Al Fahidi")
    pay(page, DECLINED_CARD)
    expect(page.get_by_role("alert")).to_contain_text("declined")
    pay(page, GOOD_CARD)
    expect(page.get_by_role("status")).to_contain_text("Your order is paid")
    order = page.url

    sign_in_as_staff(page, shop)
    page.get_by_role("button", name="Refund").click()
    expect(page.get_by_text("refunded", exact=True)).to_be_visible()
    page.goto(order)
    expect(page.get_by_text("This order was refunded.")).to_be_visible()


def test_a_customer_buys_in_arabic(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="العربية").click()
    page.locator("button[name=add]").first.click()
    page.get_by_role("button", name="إتمام الشراء").click()
    page.get_by_label("رقم البطاقة").fill(GOOD_CARD)
    page.get_by_label("تاريخ الانتهاء").fill("12 / 40")
    page.get_by_label("رمز الأمان").fill("123")
    page.locator("[data-paysafer-pay]").click()
    expect(page.get_by_role("status")).to_contain_text("تم دفع طلبك")
