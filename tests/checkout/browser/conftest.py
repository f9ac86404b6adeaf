"""A real browser, a served shop and a served PaySafer.

After every test: no content policy was violated, no script failed, and neither what
browsers sent the shop, nor its logs, nor its database hold card data.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from flask import Flask
from playwright.sync_api import Browser

from flask_paysafer.sandbox import Sandbox
from tests.browser import chromium
from tests.checkout.browser.customer import CVC, Customer
from tests.checkout.browser.live import Recorder, served
from tests.checkout.shop import Shop

MARKS_OF_CARDS = ("42424242", "4242 4242", "40000000", "4000 0000", "37828224", "55555555")

MakeCustomer = Callable[..., Customer]


# Not for the session: while it lives, Playwright holds this thread's event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def served_sandbox(sandbox: Sandbox) -> Iterator[Sandbox]:
    with sandbox.serve():
        yield sandbox


@pytest.fixture
def shop(served_sandbox: Sandbox, tmp_path: Path) -> Iterator[Shop]:
    """A shop that reaches PaySafer over HTTP."""
    shop = Shop(
        served_sandbox,
        tmp_path,
        transport=httpx.HTTPTransport(),
        PAYSAFER_API_BASE=f"{served_sandbox.url}/v1",
    )
    _add_shop_pages(shop.app)
    with closing(shop):
        yield shop


def _add_shop_pages(app: Flask) -> None:
    from flask import render_template_string

    @app.get("/thanks")
    def thanks() -> str:
        return "<!doctype html><html lang=en><title>Thanks</title><h1>Thank you</h1>"

    @app.get("/basket")
    def basket() -> str:
        return render_template_string(
            "<!doctype html><html lang=en><head><title>Basket</title></head><body>"
            "<main><h1>Basket</h1>{% for reference in ('1234', '1235') %}"
            "<section>{{ paysafer_checkout(reference) }}</section>{% endfor %}</main></body>"
        )

    @app.get("/favicon.ico")
    def icon() -> tuple[str, int]:
        return "", 204


@pytest.fixture
def live(shop: Shop) -> Iterator[tuple[str, Recorder]]:
    """The shop's address, and what browsers send there."""
    recorder = Recorder(shop.app.wsgi_app)
    with served(recorder) as url:
        yield url, recorder


@pytest.fixture
def make_customer(
    browser: Browser,
    shop: Shop,
    live: tuple[str, Recorder],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[MakeCustomer]:
    """Customers, each with a browser of their own (a fresh context)."""
    url, recorder = live
    customers: list[Customer] = []
    caplog.set_level(logging.DEBUG)
    with ExitStack() as stack:

        def make(**options: Any) -> Customer:
            context = browser.new_context(**options)
            stack.callback(context.close)
            customer = Customer(context.new_page(), shop, recorder, url)
            customers.append(customer)
            return customer

        yield make
    _check_what_was_left(customers, recorder, caplog, tmp_path)


def _check_what_was_left(
    customers: list[Customer], recorder: Recorder, caplog: pytest.LogCaptureFixture, folder: Path
) -> None:
    assert [violation for customer in customers for violation in customer.violations] == []
    assert [error for customer in customers for error in customer.errors] == []
    stored = b"".join(path.read_bytes() for path in folder.glob("*.sqlite*"))
    assert stored
    for text in (recorder.text(), caplog.text, stored.decode("latin-1")):
        assert [mark for mark in MARKS_OF_CARDS if mark in text] == []
    assert all(CVC not in post.values() for post in recorder.posts())


@pytest.fixture
def customer(make_customer: MakeCustomer) -> Customer:
    return make_customer()
