"""Buy in the shop as a browser would, without one, and tell how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx

from .visitor import Form, Visitor

GOOD_CARD, DECLINED_CARD = "4242424242424242", "4000000000000002"

PATIENCE = 90.0
"""How long the webhook may take, in seconds: on a busy machine PaySafer retries after 60."""


class CheckError(Exception):
    """The shop did something else than it should."""


def check(shop_url: str) -> int:
    """Buy one bag with a good card and try a declined one; return the exit code."""
    steps: dict[str, Callable[[Visitor], str]] = {
        "a good card": _buy_with_a_good_card,
        "a declined card": _be_told_of_a_declined_card,
    }
    failures = 0
    for name, step in steps.items():
        try:
            with Visitor(shop_url) as visitor:
                print(f"ok    {name}: {step(visitor)}")
        except (CheckError, httpx.HTTPError) as error:
            failures += 1
            print(f"FAIL  {name}: {error}")
    return 1 if failures else 0


def _buy_with_a_good_card(visitor: Visitor) -> str:
    page = _pay(visitor, GOOD_CARD)
    order = urlsplit(str(page.url)).path
    if not order.startswith("/order/") or order.endswith("/pay"):
        raise CheckError(f"paying led to {order}, not to the order")
    _wait_until_paid(visitor, order)
    return f"token made, payment created, webhook delivered, {order} is paid"


def _be_told_of_a_declined_card(visitor: Visitor) -> str:
    page = _pay(visitor, DECLINED_CARD)
    if "declined" not in page.text:
        raise CheckError("the page does not say that the card was declined")
    if "data-paysafer-form" not in page.text:
        raise CheckError("the page offers no second try")
    return "the page says so and offers another try"


def _pay(visitor: Visitor, card: str) -> httpx.Response:
    """Put a bag in the basket, check out and pay; return the page one ends on."""
    shelf = visitor.open("/")
    basket = visitor.submit(shelf, Form(shelf.text, action="/basket"))
    checkout = visitor.submit(basket, Form(basket.text, action="/order"))
    form = Form(checkout.text, data_paysafer_form=None)
    if not form.attributes:
        raise CheckError(f"{checkout.url} shows no card form")
    return visitor.submit(checkout, form, token=visitor.make_token(form, card))


def _wait_until_paid(visitor: Visitor, order: str) -> None:
    give_up = time.monotonic() + PATIENCE
    while visitor.open(f"{order}/status").json()["status"] != "paid":
        if time.monotonic() > give_up:
            raise CheckError(f"no webhook made {order} paid within {PATIENCE:g} seconds")
        time.sleep(0.05)
