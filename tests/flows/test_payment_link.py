"""A customer whose renewal was declined pays on the link, with any card."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from flask_paysafer.testing import JoinedSandbox
from flask_paysafer.testing.sandbox import Clock

from .test_a_year_of_beans import BeanShop


@pytest.fixture
def sandbox() -> Iterator[JoinedSandbox]:
    with JoinedSandbox() as sandbox:
        yield sandbox


class PastDue:
    """A shop with one subscription whose card is lost, and its customer's browser."""

    def __init__(self, folder: Path, sandbox: JoinedSandbox) -> None:
        self.shop = BeanShop(folder)
        self.sandbox = sandbox
        sandbox.join(self.shop.app)
        self.clock = Clock(sandbox)
        with self.shop.app.app_context():
            self.shop.subscribe("s1", "4000000000009235")
        self.clock.advance(hours=1)
        with self.shop.app.app_context():
            self.url = self.shop.paysafer.subscriptions.payment_url("s1")
        self.path = self.url.removeprefix("http://shop.example")
        self.browser = self.shop.app.test_client()

    def state(self) -> str:
        with self.shop.app.app_context():
            return self.shop.paysafer.subscriptions.retrieve("s1").state

    def get(self) -> TestResponse:
        return self.browser.get(self.path, base_url="http://shop.example")

    def pay(self, number: str, *, keep: bool) -> TestResponse:
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', self.get().text))
        if not keep:
            fields.pop("save_card", None)
        token = self.shop.paysafer.client.tokens.create(
            card={"number": number, "exp_month": 12, "exp_year": 2099, "cvc": "123"}
        )
        answer = self.browser.post(
            self.path,
            data={**fields, "token": token.id, "method": ""},
            base_url="http://shop.example",
        )
        self.sandbox.settle()
        return answer


@pytest.fixture
def past_due(tmp_path: Path, sandbox: JoinedSandbox) -> Iterator[PastDue]:
    made = PastDue(tmp_path, sandbox)
    with made.shop.app.app_context():
        yield made


def test_the_page_shows_what_is_due_and_offers_to_keep_the_card(past_due: PastDue) -> None:
    assert past_due.state() == "past_due"
    page = past_due.get()
    assert page.status_code == 200
    assert "99.00" in page.text
    assert re.search(r'name="save_card" value="yes" checked', page.text)


def test_paying_makes_the_subscription_active_at_once_and_charges_that_card_from_now_on(
    past_due: PastDue,
) -> None:
    assert past_due.pay("4242424242424242", keep=True).status_code == 303
    assert past_due.state() == "active"
    card = past_due.shop.paysafer.subscriptions.retrieve("s1").payment_method
    (kept,) = past_due.shop.paysafer.cards.list(
        past_due.shop.paysafer.subscriptions.retrieve("s1").customer
    )
    assert (kept.payment_method, kept.last4) == (card, "4242")
    assert "99.00" in past_due.get().text
    past_due.clock.advance(days=62)
    assert past_due.shop.told("s1") == {"action_required": 1, "started": 1, "renewed": 2}


def test_a_card_that_is_not_to_be_kept_pays_once(past_due: PastDue) -> None:
    before = past_due.shop.paysafer.subscriptions.retrieve("s1").payment_method
    past_due.pay("4242424242424242", keep=False)
    found = past_due.shop.paysafer.subscriptions.retrieve("s1")
    assert (found.state, found.payment_method) == ("active", before)


def test_a_decline_on_the_page_uses_up_no_retry_and_another_card_pays(past_due: PastDue) -> None:
    past_due.pay("4000000000000002", keep=True)
    assert past_due.state() == "past_due"
    past_due.pay("4242424242424242", keep=True)
    assert past_due.state() == "active"


def test_what_was_paid_cannot_be_paid_again(past_due: PastDue) -> None:
    past_due.pay("4242424242424242", keep=True)
    again = past_due.get()
    assert "data-paysafer-field" not in again.text
    charged = [one for one in past_due.sandbox.events() if one["type"] == "payment.completed"]
    assert [one["data"]["amount"] for one in charged] == [100, 9900]


@pytest.mark.parametrize("how", ["altered", "expired", "canceled"])
def test_a_link_that_is_not_good_any_more_shows_no_card_fields(past_due: PastDue, how: str) -> None:
    if how == "altered":
        past_due.path += "x"
    elif how == "canceled":
        past_due.shop.paysafer.subscriptions.cancel("s1", at="now")
    else:
        past_due.clock.advance(days=10)
    answer = past_due.get()
    assert answer.status_code == 410
    assert "data-paysafer-field" not in answer.text
