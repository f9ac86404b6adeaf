"""Take the pictures on these pages from the real thing: ``python -m docs.pictures``.

Opens the example shop with its local PaySafer, buys a few things, and photographs the
checkout, the operator page and the dashboard in a headless Chromium.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urljoin

from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright

from example_app.check import DECLINED_CARD, GOOD_CARD, check
from example_app.serving import OpenShop, open_shop

TARGET = Path(__file__).parent / "_static"
WIDE: ViewportSize = {"width": 1080, "height": 720}
NARROW: ViewportSize = {"width": 480, "height": 800}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def main() -> None:
    """Take all pictures."""
    chromium = os.environ.get("PAYSAFER_TEST_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("No Chromium found: set PAYSAFER_TEST_CHROMIUM to its path.")
    TARGET.mkdir(exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        open_shop(Path(folder), 0, 0) as shop,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        _fill_the_books(shop)
        _take_checkout(browser, shop)
        _take_operator_page(browser, shop)
        _take_dashboard(browser, shop)
        browser.close()


def _fill_the_books(shop: OpenShop) -> None:
    for _ in range(3):
        check(shop.url)
    order = {"type": "dispute.created", "account": "dallahroasters"}
    request = urllib.request.Request(
        urljoin(f"{shop.paysafer}/", "_sandbox/trigger"),
        data=json.dumps(order).encode(),
        headers={"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).close()


def _take_checkout(browser: Browser, shop: OpenShop) -> None:
    page = _checkout(browser, shop, "en")
    _fill(page, GOOD_CARD)
    _take(page, "checkout")
    _fill(page, DECLINED_CARD)
    page.locator("form[data-paysafer-form] button[type=submit]").first.click()
    page.get_by_role("alert").first.wait_for()
    _take(page, "checkout-declined")
    _take(_checkout(browser, shop, "ar"), "checkout-arabic")


def _checkout(browser: Browser, shop: OpenShop, language: str) -> Page:
    context = browser.new_context(viewport=NARROW, locale=language)
    page = context.new_page()
    page.goto(shop.url)
    page.locator("form[action='/basket'] button").first.click()
    page.locator("form[action='/order'] button").first.click()
    page.locator("[data-paysafer-field=number]").wait_for()
    return page


def _fill(page: Page, number: str) -> None:
    for field, text in (("number", number), ("expiry", "12/30"), ("cvc", "123")):
        page.locator(f"[data-paysafer-field={field}]").fill(text)


def _take_operator_page(browser: Browser, shop: OpenShop) -> None:
    page = browser.new_context(viewport=WIDE, locale="en").new_page()
    page.goto(urljoin(shop.url, "/staff/sign-in"))
    page.locator("input[name=passcode]").fill(shop.app.config["STAFF_PASSCODE"])
    page.locator("form:has(input[name=passcode]) button").click()
    page.goto(urljoin(shop.url, "/paysafer/operator/"))
    _take(page, "operator")


def _take_dashboard(browser: Browser, shop: OpenShop) -> None:
    page = browser.new_context(viewport=WIDE, locale="en").new_page()
    page.goto(shop.paysafer or "")
    _take(page, "dashboard")


def _take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=TARGET / f"{name}.png", animations="disabled")


if __name__ == "__main__":
    main()
