"""Whatever is lost, killed or done twice: one charge or none, and a page that says which."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest

from flask_paysafer.checkout.resolver import READING_TIME
from flask_paysafer.checkout.texts import catalogue
from flask_paysafer.money import Money
from flask_paysafer.sandbox import Sandbox
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import CHALLENGE, DECLINED, GOOD, PAGE, Killed, Shop, hidden_fields

TEXTS = catalogue("en")
CREATE: dict[str, Any] = {"method": "POST", "path": "/v1/payments"}
HOUR = 3600.0

READINGS = pytest.mark.parametrize("reading", ["replay", "strict"])
"""What the documented sentence about reused keys can mean."""


def succeeded(shop: Shop) -> list[dict[str, Any]]:
    return [payment for payment in shop.payments if payment["status"] == "succeeded"]


@READINGS
@pytest.mark.parametrize("kind", ["lost-answer", "truncate", "bad-json"])
def test_a_lost_answer_is_found_again(
    shop: Shop, sandbox: Sandbox, kind: str, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault(kind, **CREATE)
    page = shop.pay()
    # The page that follows the form asks at once, and finds it.
    assert page.location == "/thanks"
    assert len(shop.payments) == 1


@READINGS
def test_the_page_waits_until_the_answer_is_known(
    shop: Shop, sandbox: Sandbox, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault("lost-answer", **CREATE, times=2)
    sandbox.fault("error-500", method="GET", path="/v1/payments", times=1)
    page = shop.pay()
    assert page.status_code == 200
    assert TEXTS["checking"] in page.text
    assert "data-paysafer-wait" in page.text
    assert shop.phase() == "checking"
    for _ in range(3):
        shop.let_time_pass(8)
        shop.phase()
    assert shop.open().location == "/thanks"
    assert len(shop.payments) == 1


@READINGS
@pytest.mark.parametrize("number", [DECLINED, "4000000000009995"])
def test_a_lost_decline_is_found_again(
    shop: Shop, sandbox: Sandbox, number: str, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault("lost-answer", **CREATE)
    page = shop.pay(number)
    assert "You have not been charged" in page.text
    assert "data-paysafer-form" in page.text
    assert shop.pay(GOOD).location == "/thanks"
    assert len(succeeded(shop)) == 1


@pytest.mark.parametrize("kind", ["error-500", "rate-limit"])
def test_an_api_that_is_down_charges_once_when_it_is_back(
    shop: Shop, sandbox: Sandbox, kind: str
) -> None:
    token = shop.token()
    sandbox.fault(kind, times=1000)
    page = shop.open(shop.send(token=token).location)
    assert TEXTS["checking"] in page.text
    assert shop.payments == []
    sandbox.clear_faults()
    shop.let_time_pass(2)
    assert shop.open().location == "/thanks"
    assert len(shop.payments) == 1


def test_every_try_of_an_attempt_is_the_same_to_the_byte(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.fault("error-500", times=2, **CREATE)
    shop.change_order(metadata={"basket": "7"}, description="قهوة")
    shop.pay()
    shop.change_order(metadata={"basket": "8"}, description="Tea")
    shop.let_time_pass(2)
    assert shop.phase() == "paid"
    creations = shop.transport.creations()
    assert len(creations) == 3
    assert len({request.content for request in creations}) == 1
    assert len({request.headers["idempotency-key"] for request in creations}) == 1


@READINGS
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_in_mid_call_leaves_one_charge(
    make_shop: MakeShop, sandbox: Sandbox, moment: str, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    dying, other = make_shop(), make_shop()
    token = dying.token()
    form = hidden_fields(dying.open().text)
    dying.transport.dies.append((moment, "/payments"))
    with pytest.raises(Killed):
        dying.browser.post(PAGE, data=form | {"token": token})
    assert other.phase() == "checking"
    assert other.transport.creations() == []
    other.let_time_pass(31)
    assert other.phase() == "paid"
    assert other.open().location == "/thanks"
    assert len(other.payments) == 1
    assert other.payments[0]["id"] == other.attempt.payment_id


@READINGS
def test_the_customer_of_a_killed_worker_may_send_the_form_again(
    make_shop: MakeShop, sandbox: Sandbox, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    dying, other = make_shop(), make_shop()
    form = hidden_fields(dying.open().text) | {"token": dying.token()}
    again = hidden_fields(other.open().text) | {"token": other.token()}
    dying.transport.dies.append(("after", "/payments"))
    with pytest.raises(Killed):
        dying.browser.post(PAGE, data=form)
    other.let_time_pass(31)
    sent = other.browser.post(PAGE, data=again)
    assert other.open(sent.location).location == "/thanks"
    assert len(other.payments) == 1


def test_a_killed_retrieval_is_done_by_another(make_shop: MakeShop) -> None:
    dying, other = make_shop(), make_shop()
    dying.pay(CHALLENGE)
    dying.answer_challenge("pass")
    dying.transport.dies.append(("after", str(dying.attempt.payment_id)))
    with pytest.raises(Killed):
        dying.open()
    assert other.phase() == "action"
    other.let_time_pass(31)
    assert other.phase() == "paid"


@READINGS
def test_many_workers_and_tokens_at_once_make_one_charge(
    make_shop: MakeShop, sandbox: Sandbox, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    shops = [make_shop() for _ in range(5)]
    forms = [hidden_fields(shop.open().text) | {"token": shop.token()} for shop in shops]
    start = threading.Barrier(len(shops))
    statuses: list[int] = []

    def click(shop: Shop, form: dict[str, str]) -> None:
        start.wait()
        statuses.append(shop.browser.post(PAGE, data=form).status_code)

    threads = [threading.Thread(target=click, args=pair) for pair in zip(shops, forms, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [303] * 5
    assert len(sandbox.objects("payment")) == 1
    assert all(shop.open().location == "/thanks" for shop in shops)


def test_a_total_that_the_customer_has_not_seen_is_not_charged(shop: Shop) -> None:
    seen = hidden_fields(shop.open().text) | {"token": shop.token()}
    shop.change_order(amount=Money(99000, "aed"))

    answer = shop.browser.post(PAGE, data=seen)

    assert (answer.status_code, shop.payments) == (409, [])
    assert TEXTS["total_changed"] in answer.text
    assert "990.00" in answer.text
    assert shop.send(token=shop.token()).status_code == 303
    assert [payment["amount"] for payment in shop.payments] == [99000]


def test_a_changed_total_cancels_the_payment_that_waits_for_the_bank(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    shop.change_order(amount=Money(16000, "aed"))
    page = shop.open()
    assert TEXTS["changed"] in page.text
    assert "160.00" in page.text
    assert shop.payments[0]["status"] == "canceled"
    assert shop.pay().location == "/thanks"
    assert [payment["amount"] for payment in succeeded(shop)] == [16000]


def test_a_total_that_changes_after_paying_is_for_the_shop_to_look_at(shop: Shop) -> None:
    shop.pay()
    shop.change_order(amount=Money(16000, "aed"))
    page = shop.open()
    assert page.status_code == 200
    assert TEXTS["mismatch"] in page.text
    assert "data-paysafer-form" not in page.text
    with shop.browser.session_transaction() as session:
        csrf = session["_paysafer_csrf"]
    shop.browser.post(PAGE, data={"token": shop.token(), "paysafer_csrf": csrf})
    assert len(shop.payments) == 1


@READINGS
@pytest.mark.parametrize("arrived", [True, False])
def test_a_changed_total_ends_an_attempt_whose_answer_was_lost(
    shop: Shop, sandbox: Sandbox, arrived: bool, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault("lost-answer" if arrived else "error-500", **CREATE)
    sent = shop.send(token=shop.token(CHALLENGE))
    shop.change_order(amount=Money(16000, "aed"))
    for _ in range(3):
        shop.let_time_pass(2)
        page = shop.open(sent.location)
    assert TEXTS["changed"] in page.text
    assert shop.pay().location == "/thanks"
    assert [payment["amount"] for payment in succeeded(shop)] == [16000]
    assert {payment["status"] for payment in shop.payments} == {"canceled", "succeeded"}


def test_after_a_lost_success_a_changed_total_is_for_the_shop_to_look_at(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.fault("lost-answer", **CREATE)
    sent = shop.send(token=shop.token())
    shop.change_order(amount=Money(16000, "aed"))
    shop.let_time_pass(2)
    assert TEXTS["mismatch"] in shop.open(sent.location).text
    assert len(shop.payments) == 1


@READINGS
def test_starting_again_takes_the_key_of_a_request_that_may_still_arrive(
    shop: Shop, sandbox: Sandbox, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    late = shop.transport.creations()[0]
    shop.let_time_pass(HOUR)
    page = shop.open(shop.send(action="restart").location)
    assert "data-paysafer-form" in page.text
    assert shop.pay().location == "/thanks"
    arrived = sandbox_receives(sandbox, late)
    assert arrived.status_code == 409
    assert len(succeeded(shop)) == 1


def sandbox_receives(sandbox: Sandbox, request: httpx.Request) -> httpx.Response:
    with httpx.Client(transport=sandbox.transport()) as client:
        return client.request(
            request.method, request.url, content=request.content, headers=request.headers
        )


@READINGS
def test_starting_again_finds_that_the_lost_request_has_paid(
    shop: Shop, sandbox: Sandbox, reading: str
) -> None:
    sandbox.settings(idempotency=reading)
    sandbox.fault("lost-answer", **CREATE)
    form = hidden_fields(shop.open().text)
    shop.browser.post(PAGE, data=form | {"token": shop.token()})
    shop.let_time_pass(2)
    sent = shop.browser.post(PAGE, data=form | {"action": "restart"})
    assert sent.status_code == 303
    assert shop.open().location == "/thanks"
    assert len(shop.payments) == 1


def test_long_after_nothing_is_charged_without_being_told_to(shop: Shop, sandbox: Sandbox) -> None:
    """The customer has gone: a payment that never arrived is looked for, not made."""
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    shop.let_time_pass(HOUR)
    assert shop.phase() == "checking"
    assert shop.payments == []
    assert len(shop.transport.creations()) == 1


def test_long_after_a_lost_payment_is_still_found(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer", **CREATE)
    shop.send(token=shop.token())
    for _ in range(12):
        shop.paysafer_payment("pm_card_visa")
    shop.let_time_pass(30 * HOUR)
    assert shop.phase() == "paid"
    assert len(shop.transport.creations()) == 13


def test_after_its_keys_life_an_attempt_that_came_to_nothing_frees_the_order(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    shop.let_time_pass(30 * HOUR)
    assert shop.phase() == "open"
    assert len(shop.transport.creations()) == 1
    assert shop.pay().location == "/thanks"
    assert len(shop.payments) == 1


def test_a_list_that_cannot_be_read_frees_nothing(shop: Shop, sandbox: Sandbox) -> None:
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    shop.let_time_pass(30 * HOUR)
    sandbox.fault("error-500", method="GET", path="/v1/payments")
    assert shop.phase() == "checking"


def test_a_list_that_was_not_read_to_its_end_frees_nothing(
    shop: Shop, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_paysafer.checkout.resolver.MAX_LISTED", 2)
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    for _ in range(5):
        shop.paysafer_payment("pm_card_visa")
    shop.let_time_pass(30 * HOUR)
    assert shop.phase() == "checking"


def test_looking_through_a_slow_list_takes_no_longer_than_its_time(
    shop: Shop, sandbox: Sandbox
) -> None:
    sandbox.fault("error-500", **CREATE)
    shop.send(token=shop.token())
    for _ in range(5):
        shop.paysafer_payment("pm_card_visa")
    shop.let_time_pass(30 * HOUR)
    shop.checkout._resolver._clock = count(step=READING_TIME / 2).__next__
    assert shop.phase() == "checking"


def test_a_refusal_after_a_lost_answer_is_not_believed_at_once(
    shop: Shop, sandbox: Sandbox
) -> None:
    """ "This token was used" can mean: by the very call whose answer was lost."""
    sandbox.fault("lost-answer", **CREATE)
    shop.send(token=shop.token())
    # A PaySafer that has forgotten the key sees a used token.
    sandbox.advance(25 * HOUR)
    shop.let_time_pass(2)
    assert shop.phase() == "paid"
    assert len(shop.payments) == 1


def test_a_refusal_is_believed_once_the_list_agrees(shop: Shop, sandbox: Sandbox) -> None:
    used = shop.token()
    shop.paysafer_payment(used)
    sandbox.fault("error-500", **CREATE)
    page = shop.open(shop.send(token=used).location)
    assert TEXTS["checking"] in page.text
    shop.let_time_pass(31)
    assert TEXTS["card_unusable"] in shop.open().text
    assert shop.pay().location == "/thanks"


def test_a_key_that_another_database_has_used_is_not_charged_again(
    make_shop: MakeShop, sandbox: Sandbox, tmp_path: Any
) -> None:
    """The instance folder was lost, as on a host that forgets its disk."""
    make_shop().pay()
    forgetful = Shop(sandbox, tmp_path / "new")
    assert forgetful.pay().location == "/thanks"
    assert len(forgetful.payments) == 1


def test_another_shop_on_the_same_account_has_keys_of_its_own(
    make_shop: MakeShop, sandbox: Sandbox, tmp_path: Any
) -> None:
    make_shop().pay()
    other = Shop(sandbox, tmp_path / "other", SECRET_KEY="another shop's long random value")
    assert other.phase() == "open"
    assert other.pay().location == "/thanks"
    assert len(other.payments) == 2


def test_a_changed_secret_key_keeps_old_orders_and_their_keys(
    make_shop: MakeShop, sandbox: Sandbox
) -> None:
    sandbox.fault("error-500", **CREATE)
    make_shop().send(token=make_shop().token())
    renewed = make_shop(SECRET_KEY="a renewed long random value")
    renewed.let_time_pass(2)
    assert renewed.phase() == "paid"
    assert len(renewed.payments) == 1


# The challenge of the bank


def test_the_customer_confirms_with_the_bank_and_comes_back(shop: Shop) -> None:
    page = shop.pay(CHALLENGE)
    assert TEXTS["action"] in page.text
    assert f'data-next="{shop.attempt.next_url}"' in page.text
    assert f'href="{shop.attempt.next_url}"' in page.text
    back = shop.answer_challenge("pass")
    assert back == f"http://localhost{PAGE}"
    assert shop.open(back).location == "/thanks"


def test_coming_back_without_confirming_goes_nowhere_by_itself(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    page = shop.open()
    assert "data-next" not in page.text
    assert TEXTS["action_button"] in page.text
    assert TEXTS["other_card"] in page.text
    assert page.status_code == 200


def test_a_refused_challenge_offers_another_try(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    page = shop.open(shop.answer_challenge("refuse"))
    assert TEXTS["authentication_failed"] in page.text
    assert shop.pay().location == "/thanks"
    assert len(succeeded(shop)) == 1


def test_a_card_that_is_declined_after_the_challenge_offers_another_try(shop: Shop) -> None:
    shop.pay("4000008400001629")
    page = shop.open(shop.answer_challenge("pass"))
    assert TEXTS["declined"] in page.text
    assert "data-paysafer-form" in page.text


def test_an_abandoned_challenge_gives_way_to_another_card(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    challenge = shop.attempt.next_url
    page = shop.open(shop.send(action="restart").location)
    assert "data-paysafer-form" in page.text
    assert "data-paysafer-alert hidden" in page.text
    assert shop.pay().location == "/thanks"
    assert [payment["status"] for payment in shop.payments] == ["canceled", "succeeded"]
    with httpx.Client(transport=shop.sandbox.transport()) as bank:
        bank.post(str(challenge), data={"result": "pass"})
    assert len(succeeded(shop)) == 1


def test_a_challenge_passed_in_another_tab_is_not_cancelled(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    form = hidden_fields(shop.open().text)
    shop.answer_challenge("pass")
    shop.browser.post(PAGE, data=form | {"action": "restart"})
    assert shop.open().location == "/thanks"
    assert [payment["status"] for payment in shop.payments] == ["succeeded"]


def test_another_card_is_not_charged_beside_an_open_challenge(shop: Shop) -> None:
    form = hidden_fields(shop.open().text)
    shop.pay(CHALLENGE)
    page = shop.browser.post(PAGE, data=form | {"token": shop.token()})
    assert TEXTS["action"] in shop.open(page.location).text
    assert len(shop.payments) == 1


def test_a_cancellation_whose_answer_is_lost_still_frees_the_order(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.pay(CHALLENGE)
    sandbox.fault("lost-answer", method="POST", path="/v1/payments/*/cancel")
    page = shop.open(shop.send(action="restart").location)
    assert "data-paysafer-form" in page.text
    assert shop.payments[0]["status"] == "canceled"


def test_what_cannot_be_cancelled_stays_as_it_is(shop: Shop, sandbox: Sandbox) -> None:
    shop.pay(CHALLENGE)
    sandbox.fault("error-500", method="POST", path="/v1/payments/*/cancel", times=9)
    page = shop.open(shop.send(action="restart").location)
    assert TEXTS["action"] in page.text
    assert shop.payments[0]["status"] == "requires_action"


def test_what_cannot_be_read_back_stays_as_it_was(shop: Shop, sandbox: Sandbox) -> None:
    shop.pay(CHALLENGE)
    sandbox.fault("error-500", method="GET", path="/v1/payments/*", times=9)
    assert TEXTS["action"] in shop.open().text


# What PaySafer may answer and the sandbox does not


Answer = Callable[[dict[str, Any]], dict[str, Any]]


def answering(shop: Shop, change: Answer) -> None:
    """Have PaySafer's answers about payments changed on their way."""
    inner = shop.transport._inner

    class Changed(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = inner.handle_request(request)
            payment = json.loads(answer.read())
            if payment.get("object") == "payment":
                payment = change(payment)
            return httpx.Response(answer.status_code, json=payment)

    shop.transport._inner = Changed()


def test_a_payment_over_another_sum_is_never_shown_as_paid(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    answering(shop, lambda payment: payment | {"amount": 14000})
    with caplog.at_level(logging.ERROR):
        page = shop.pay()
    assert TEXTS["mismatch"] in page.text
    assert "is not over the sum that was asked for" in caplog.text
    assert "data-paysafer-form" not in page.text


@pytest.mark.parametrize("status", ["processing", "requires_magic"])
def test_a_payment_that_takes_its_time_is_waited_for(shop: Shop, status: str) -> None:
    statuses = [status, status, "succeeded"]
    answering(shop, lambda payment: payment | {"status": statuses.pop(0)})
    page = shop.pay()
    assert TEXTS["processing"] in page.text
    assert TEXTS["other_card"] not in page.text
    shop.let_time_pass(1)
    assert shop.open().location == "/thanks"
    assert len(shop.payments) == 1


def test_the_browser_confirms_what_waits_for_it(shop: Shop) -> None:
    answering(shop, lambda payment: payment | {"status": "requires_confirmation"})
    page = shop.pay()
    assert TEXTS["confirm"] in page.text
    assert f'data-payment="{shop.payments[0]["id"]}"' in page.text
    assert 'data-key="pk_test_acmeshop1"' in page.text
    assert 'data-confirm-now="1"' in page.text
    assert "data-confirm-now" not in shop.open().text


def test_a_payment_left_without_a_card_is_cancelled(shop: Shop) -> None:
    left = {"status": "requires_payment_method", "failure_reason": "expired_card"}
    changes = iter([left, {"status": "canceled"}])
    answering(shop, lambda payment: payment | next(changes))
    page = shop.pay(CHALLENGE)
    assert TEXTS["expired_card"] in page.text
    assert "data-paysafer-form" in page.text


@pytest.mark.parametrize("url", ["javascript:alert(1)", "http://bank.example/"])
def test_an_unsafe_challenge_address_is_not_followed(shop: Shop, url: str) -> None:
    action = {"type": "redirect_to_url", "redirect_to_url": {"url": url}}
    answering(shop, lambda payment: payment | {"next_action": action})
    page = shop.pay(CHALLENGE)
    assert url not in page.text
    assert 'href="None"' not in page.text
    assert TEXTS["other_card"] in page.text


def test_a_wrong_key_charges_nothing_and_says_so(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    token = shop.token()
    inner = shop.transport._inner

    class Revoked(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            error = {"type": "invalid_request_error", "code": "api_key_invalid", "message": "No."}
            return httpx.Response(401, json={"error": error})

    shop.transport._inner = Revoked()
    page = shop.open(shop.send(token=token).location)
    assert TEXTS["unavailable"] in page.text
    assert "api_key_invalid" in caplog.text
    shop.transport._inner = inner
    assert shop.pay().location == "/thanks"
