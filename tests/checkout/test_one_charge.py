"""The attack that doubles charges, at every phase of every attempt, and its neighbours."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from flask_paysafer import Event, PaySafer, errors
from flask_paysafer.money import Money
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.state import get_state
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import CHALLENGE, DECLINED, GOOD, PAGE, Shop, hidden_fields


def confirm(shop: Shop, payment_id: str) -> int:
    """Confirm a payment with the publishable key, as anyone can."""
    with httpx.Client(transport=shop.sandbox.transport()) as browser:
        return browser.post(
            f"http://127.0.0.1:4242/v1/payments/{payment_id}/confirm",
            json={"payment_method": shop.token(GOOD)},
            headers={"Authorization": "Bearer pk_test_acmeshop1"},
        ).status_code


def confirm_all(shop: Shop) -> None:
    for payment in shop.payments:
        confirm(shop, payment["id"])


def succeeded(shop: Shop) -> list[str]:
    return [payment["id"] for payment in shop.payments if payment["status"] == "succeeded"]


def completed(shop: Shop) -> list[Event]:
    return [
        Event.from_json(json.dumps(event).encode())
        for event in shop.sandbox.events()
        if event["type"] == "payment.completed"
    ]


def agreed(shop: Shop, event: Event, **options: Any) -> bool:
    with shop.app.app_context():
        try:
            return shop.paysafer.order_for(event, **options) is not None
        except errors.OrderMismatchError:
            return False


def alert(page: str) -> str:
    found: list[str] = re.findall(r'role="alert"[^>]*>([^<]*)<', page)
    return found[0]


ATTEMPTS = {"declined": DECLINED, "at the bank": CHALLENGE, "refused by the bank": CHALLENGE}


@pytest.mark.parametrize("first", ATTEMPTS)
@pytest.mark.parametrize("second", [*ATTEMPTS, "paid"])
@pytest.mark.parametrize("attacked_after", [1, 2])
def test_a_payment_that_was_given_up_can_not_be_confirmed_later(
    shop: Shop, first: str, second: str, attacked_after: int
) -> None:
    """Whatever the first attempt came to: once a second one has begun, it is over."""
    for number, kind in enumerate((first, second), 1):
        if kind == "refused by the bank" or kind == "at the bank":
            shop.pay(CHALLENGE)
            if kind == "refused by the bank" and shop.attempt.next_url:
                shop.answer_challenge("refuse")
                shop.open()
        else:
            shop.pay(ATTEMPTS.get(kind, GOOD))
        if number == 1 and kind == "at the bank":
            shop.send(action="restart")
        if number == attacked_after:
            confirm_all(shop)
    shop.let_time_pass(2)
    shop.open()
    if shop.attempt.next_url:
        shop.answer_challenge("pass")
        shop.open()
    for event in completed(shop):
        shop.checkout.note_event(event)
    confirm_all(shop)
    assert len(succeeded(shop)) <= 1
    assert sum(agreed(shop, event) for event in completed(shop)) <= 1


@pytest.mark.parametrize("reading", ["replay", "strict"])
@pytest.mark.parametrize("fault", ["error-500", "lost-answer"])
def test_no_attempt_begins_before_the_declined_one_is_cancelled(
    shop: Shop, sandbox: Sandbox, reading: str, fault: str
) -> None:
    sandbox.settings(idempotency=reading)
    shop.pay(DECLINED)
    fields = hidden_fields(shop.open().text)
    sandbox.fault(fault, method="POST", path="/v1/payments/*/cancel")
    sandbox.fault("error-500", method="GET", path="/v1/payments/*")
    answer = shop.browser.post(PAGE, data=fields | {"token": shop.token()})
    if answer.status_code == 503:
        assert len(shop.payments) == 1
        sandbox.clear_faults()
        shop.let_time_pass(60)
        answer = shop.send(token=shop.token())
    assert answer.status_code == 303
    assert [payment["status"] for payment in shop.payments] == ["canceled", "succeeded"]


def test_order_for_agrees_to_one_payment_of_an_order_only(shop: Shop) -> None:
    """Two payments that the shop's own code made for one order."""
    with shop.app.app_context():
        for _ in range(2):
            shop.paysafer.client.payments.create(
                amount=15000,
                currency="aed",
                payment_method="pm_card_visa",
                metadata={"paysafer_reference": "1234"},
            )
    first, second = completed(shop)
    assert agreed(shop, first)
    assert not agreed(shop, second)
    assert agreed(shop, first)


def test_order_for_agrees_to_none_that_was_refunded_before(shop: Shop) -> None:
    shop.pay()
    with shop.app.app_context():
        shop.paysafer.client.payments.refund(succeeded(shop)[0])
    for event in shop.sandbox.events():
        if event["type"] == "payment.refunded":
            shop.checkout.note_event(Event.from_json(json.dumps(event).encode()))
    [event] = completed(shop)
    assert not agreed(shop, event)


def test_order_for_agrees_to_a_part_only_if_asked(shop: Shop) -> None:
    shop.change_order(capture_method="manual")
    shop.pay()
    with shop.app.app_context():
        shop.paysafer.client.payments.capture(shop.payments[0]["id"], amount=100)
    [event] = completed(shop)
    assert not agreed(shop, event)
    assert agreed(shop, event, partial=True)


def test_asking_about_another_accounts_event_raises(shop: Shop) -> None:
    shop.pay()
    [event] = completed(shop)
    event.set_origin("paysafer_eu")
    with shop.app.app_context(), pytest.raises(errors.ConfigurationError, match="paysafer_eu"):
        shop.paysafer.order_for(event)


def test_pages_that_are_opened_ask_paysafer_once_a_second_at_most(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    shop.let_time_pass(5)
    shop.transport.requests.clear()
    began = time.monotonic()
    for _ in range(110):
        shop.open(browser=shop.app.test_client())
        shop.phase()
    assert len(shop.transport.requests) <= time.monotonic() - began + 1


def test_while_no_answer_comes_paysafer_is_asked_ever_more_rarely(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.pay(CHALLENGE)
    sandbox.fault("error-500", times=1000)
    shop.transport.requests.clear()
    for _ in range(120):
        shop.let_time_pass(1)
        shop.phase()
    assert len(shop.transport.requests) <= 8


@pytest.mark.parametrize("query", ["?go=1", "?confirm=1"])
def test_a_link_of_another_site_confirms_nothing(shop: Shop, query: str) -> None:
    page = shop.open(PAGE + query).text
    assert "data-confirm-now" not in page
    assert "data-next" not in page


def test_invented_tokens_do_not_lock_the_order(shop: Shop) -> None:
    for number in range(60):
        shop.send(token=f"tok_invented{number}")
    assert shop.pay().location == "/thanks"


def test_declines_slow_down_and_tell_less(shop: Shop) -> None:
    alerts = [alert(shop.pay("4000000000000127").text) for _ in range(5)]
    assert "security code is not right" in alerts[0]
    assert "declined this card" in alerts[4]
    refused = shop.send(token=shop.token())
    assert refused.status_code == 429
    assert refused.headers["Retry-After"] == "60"
    assert len(shop.payments) == 5
    shop.let_time_pass(61)
    assert shop.pay().location == "/thanks"


def test_before_payment_refuses_before_a_card_is_charged(shop: Shop) -> None:
    asked: list[tuple[str, Money, str]] = []

    @shop.paysafer.before_payment
    def gate(reference: str, order: Any, request: Any) -> None:
        asked.append((reference, order.amount, request.method))
        raise errors.PaymentRefused("Please call us.")

    answer = shop.send(token=shop.token())
    assert answer.status_code == 403
    assert "Please call us." in answer.text
    assert asked == [("1234", Money(15000, "aed"), "POST")]
    assert shop.payments == []


@pytest.mark.parametrize(
    ("settings", "host", "expected"),
    [
        ({"SERVER_NAME": "shop.example"}, "phish.example", "http://shop.example/"),
        ({"TRUSTED_HOSTS": [".shop.example", "shop.example"]}, "shop.example", "http://shop.ex"),
        ({}, "localhost", "http://localhost/"),
    ],
)
def test_the_bank_leads_back_to_the_configured_host(
    make_shop: MakeShop, settings: dict[str, Any], host: str, expected: str
) -> None:
    shop = make_shop(**settings)
    base = f"http://{host}/"
    fields = hidden_fields(shop.browser.get(PAGE, base_url=base).text)
    shop.browser.post(PAGE, data=fields | {"token": shop.token(CHALLENGE)}, base_url=base)
    [creation] = shop.transport.creations()
    assert json.loads(creation.content)["return_url"].startswith(expected)


def test_a_loader_that_uses_url_for_works_for_handlers_under_trusted_hosts(
    make_shop: MakeShop,
) -> None:
    from flask import request, url_for

    shop = make_shop(TRUSTED_HOSTS=["shop.example"])
    seen: list[tuple[str | None, str]] = []

    def load(reference: str) -> Any:
        seen.append((request.endpoint, url_for("paysafer.webhook", _external=True)))
        return shop.orders.get(reference)

    shop.paysafer.order_loader(load)
    metadata = {"paysafer_reference": "1234"}
    event = Event.from_json(
        json.dumps(
            {
                "id": "evt_1",
                "object": "event",
                "type": "payment.completed",
                "created": 1,
                "data": {
                    "id": "pay_1",
                    "object": "payment",
                    "amount": 15000,
                    "currency": "aed",
                    "metadata": metadata,
                },
            }
        ).encode()
    )
    assert agreed(shop, event)
    assert seen == [("paysafer.webhook", "http://shop.example/paysafer/webhook")]


def test_who_has_paid_never_reads_that_there_is_no_such_order(shop: Shop) -> None:
    """The loader returns unpaid orders only, and the webhook is quicker than the browser."""
    sent = shop.send(token=shop.token())
    del shop.orders["1234"]
    assert shop.open(sent.location).location == "/thanks"
    assert shop.phase() == "paid"
    stranger = shop.app.test_client()
    assert shop.open(browser=stranger).status_code == 404


def test_an_order_that_expires_at_the_bank_is_cancelled(shop: Shop) -> None:
    shop.change_order(expires_at=datetime.now(UTC) + timedelta(minutes=5))
    shop.pay(CHALLENGE)
    shop.change_order(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    page = shop.open()
    assert page.status_code == 410
    assert "expired" in page.text
    assert [payment["status"] for payment in shop.payments] == ["canceled"]
    assert shop.checkout.state("1234").phase == "expired"
    shop.browser.post(PAGE, data={"token": shop.token()})
    assert len(shop.payments) == 1


def test_money_that_comes_after_the_end_is_for_the_operator(shop: Shop) -> None:
    shop.change_order(expires_at=datetime.now(UTC) + timedelta(minutes=5))
    shop.pay(CHALLENGE)
    shop.answer_challenge("pass")
    shop.change_order(expires_at=datetime.now(UTC) - timedelta(minutes=5))
    with shop.checkout._store._database.transaction() as connection:
        table = shop.checkout._store._orders
        connection.execute(table.update().values(expires_at=1000, due_at=1000))
    page = shop.open()
    assert "contact the shop" in page.text
    [event] = completed(shop)
    assert not agreed(shop, event)
    assert shop.checkout.state("1234").phase == "mismatch"


def test_what_was_held_in_time_may_be_captured_later(shop: Shop) -> None:
    shop.change_order(capture_method="manual", expires_at=datetime.now(UTC) + timedelta(minutes=5))
    shop.pay()
    shop.change_order(expires_at=datetime.now(UTC) - timedelta(minutes=5))
    with shop.checkout._store._database.transaction() as connection:
        connection.execute(
            shop.checkout._store._orders.update().values(expires_at=1000, due_at=1000)
        )
    get_state(shop.app).sweep_checkouts()
    assert shop.phase() == "authorised"
    with shop.app.app_context():
        shop.paysafer.client.payments.capture(shop.payments[0]["id"])
    [event] = completed(shop)
    shop.checkout.note_event(event)
    assert agreed(shop, event)
    assert shop.phase() == "paid"


def test_the_sweep_ends_what_has_expired_and_tells_of_it_once(shop: Shop) -> None:
    told: list[str] = []
    shop.paysafer.on("checkout.expired")(lambda event: told.append(event.data.reference))
    shop.change_order(expires_at=datetime.now(UTC) + timedelta(minutes=5))
    shop.open()  # a reservation that is never paid for
    shop.change_order(expires_at=datetime.now(UTC) - timedelta(minutes=5))
    with shop.checkout._store._database.transaction() as connection:
        connection.execute(shop.checkout._store._orders.update().values(due_at=1000))
    assert get_state(shop.app).sweep_checkouts() == 1
    assert get_state(shop.app).sweep_checkouts() == 0
    assert told == ["1234"]


def test_a_closed_checkout_takes_no_payment(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    with shop.app.app_context():
        state = shop.paysafer.close_checkout("1234")
    assert state.phase == "closed"
    assert [payment["status"] for payment in shop.payments] == ["canceled"]
    page = shop.open()
    assert page.status_code == 410
    shop.browser.post(PAGE, data={"token": shop.token()})
    assert len(shop.payments) == 1


def test_closing_tells_that_it_is_paid(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    shop.answer_challenge("pass")
    with shop.app.app_context():
        assert shop.paysafer.close_checkout("1234").phase == "paid"
        assert shop.paysafer.checkout_state("1234").payment_id == shop.payments[0]["id"]


def test_a_free_order_and_an_unknown_one_have_pages_of_their_own(shop: Shop) -> None:
    shop.change_order(amount=Money(0, "aed"))
    page = shop.open()
    assert (page.status_code, "Nothing to pay" in page.text) == (200, True)
    unknown = shop.browser.get("/paysafer/checkout/9", headers={"Accept-Language": "ar"})
    assert unknown.status_code == 404
    assert 'dir="rtl"' in unknown.text
    assert "لا يوجد طلب كهذا" in unknown.text


def test_each_state_is_told_of_once(shop: Shop) -> None:
    told: list[str] = []

    @shop.paysafer.on("checkout.*")
    def note(event: Event) -> None:
        order = shop.paysafer.order_for(event)
        assert event.local
        assert order is not None
        told.append(event.type)

    shop.change_order(capture_method="manual")
    shop.pay()
    shop.let_time_pass(2)
    shop.open()
    assert told == ["checkout.authorised"]
    with shop.app.app_context():
        shop.paysafer.client.payments.capture(shop.payments[0]["id"])
    [event] = completed(shop)
    shop.checkout.note_event(event)
    shop.checkout.note_event(event)
    assert told == ["checkout.authorised", "checkout.paid"]


def test_blocked_cookies_are_said(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    fields = hidden_fields(shop.open().text) | {"token": shop.token()}
    answer = shop.app.test_client(use_cookies=False).post(PAGE, data=fields)
    assert "allow cookies" in answer.text
    assert "SESSION_COOKIE_SECURE" in caplog.text
    shop.app.secret_key = "another worker's"
    answer = shop.browser.post(PAGE, data=fields)
    assert answer.status_code == 400
    assert "SECRET_KEY is not the same in all workers" in caplog.text


def test_a_script_is_answered_with_what_to_show(shop: Shop) -> None:
    headers = {"X-PaySafer-Form": "1"}
    fields = hidden_fields(shop.open().text)
    wrong = fields | {"token": shop.token("4000000000000127")}
    answer = shop.browser.post(PAGE, data=wrong, headers=headers)
    assert (answer.json or {})["field"] == "cvc"
    good = fields | {"token": shop.token()}
    answer = shop.browser.post(PAGE, data=good, headers=headers)
    assert answer.json == {"state": "paid", "next": "/thanks"}


def test_the_embedded_form_comes_back_to_its_page(shop: Shop) -> None:
    fields = hidden_fields(shop.open().text) | {"token": shop.token(CHALLENGE)}
    shop.browser.post(PAGE, data=fields | {"page": "/basket?lang=ar"})
    [creation] = shop.transport.creations()
    assert json.loads(creation.content)["return_url"] == "http://localhost/basket?lang=ar"


@pytest.mark.parametrize("page", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_no_form_names_another_site_to_come_back_to(shop: Shop, page: str) -> None:
    fields = hidden_fields(shop.open().text) | {"token": shop.token(CHALLENGE)}
    sent = shop.browser.post(PAGE, data=fields | {"page": page})
    assert sent.location == PAGE
    [creation] = shop.transport.creations()
    assert json.loads(creation.content)["return_url"] == f"http://localhost{PAGE}"


def test_one_paid_form_makes_few_trips_to_the_database(shop: Shop) -> None:
    from sqlalchemy import event

    fields = hidden_fields(shop.open().text) | {"token": shop.token()}
    statements: list[str] = []
    engine = shop.checkout._store._database.engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    assert shop.browser.post(PAGE, data=fields).status_code == 303
    assert len(statements) <= 5, statements


def test_routes_have_a_host_under_host_matching(shop: Shop) -> None:
    from flask import Flask

    settings = {key: value for key, value in shop.app.config.items() if key != "SERVER_NAME"}
    app = Flask("hosts", host_matching=True, static_host="shop.example")
    app.config.from_mapping(settings)
    with pytest.raises(errors.ConfigurationError, match="host_matching"):
        PaySafer(app)
    other = Flask("hosts2", host_matching=True, static_host="shop.example")
    other.config.from_mapping(settings)
    paysafer = PaySafer(other, host="shop.example", transport=shop.transport)
    paysafer.order_loader(shop.orders.get)
    page = other.test_client().get(PAGE, base_url="http://shop.example/")
    assert page.status_code == 200
