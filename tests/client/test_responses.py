from __future__ import annotations

import copy
import logging
import pickle
import traceback
from typing import Any

import httpx
import pytest

from flask_paysafer import errors
from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.client.flow import delay_asked_for
from flask_paysafer.client.responses import error_of
from flask_paysafer.profile import ApiProfile

from .driving import (
    LOST,
    NOON,
    PUBLISHABLE_KEY,
    SECRET_KEY,
    World,
    answer,
    create,
    planned,
    refusal,
)

CARD = "4242 4242-4242 4242"
SECRETS = [SECRET_KEY, "pk_test_acmeshop1", "whsec_0123456789ab", CARD, "4242424242424242"]
PERSONAL = ["customer@example.com", "cvc 123", "cvc: 4321", "CVV=999"]
LEAKY = "No: " + ", ".join(SECRETS + PERSONAL)


def error(status: int, body: Any, **headers: str) -> Any:
    response = answer(status, body, **headers)
    profile = ApiProfile()
    asked = delay_asked_for(response, profile, now=NOON)
    return error_of(create(), response, profile, retry_after=asked)


def test_keeps_what_paysafer_says() -> None:
    body = {
        "type": "invalid_request_error",
        "code": "parameter_missing",
        "message": "Missing required parameter: amount",
        "param": "amount",
        "doc_url": "https://docs.paysafer.me/errors#parameter_missing",
    }
    raised = error(400, {"error": body}, x_request_id="req_1")
    assert type(raised) is errors.InvalidRequestError
    assert {name: getattr(raised, name) for name in body} == body
    assert (raised.status, raised.request_id, str(raised)) == (400, "req_1", body["message"])


@pytest.mark.parametrize("name", ["x_request_id", "request_id"])
def test_reads_the_request_id_from_either_header(name: str) -> None:
    assert error(500, {}, **{name: "req_9"}).request_id == "req_9"


def test_a_decline_tells_why_and_of_which_payment() -> None:
    body = {"decline_code": "insufficient_funds", "payment": {"id": "pay_9", "status": "failed"}}
    raised = error(402, {"error": body})
    assert (raised.decline_code, raised.payment_id) == ("insufficient_funds", "pay_9")
    assert error(402, {"error": {"payment": "pay_9"}}).payment_id == "pay_9"
    assert error(402, {"error": {}}).payment_id is None


def test_a_rate_limit_tells_when_to_come_again() -> None:
    assert error(429, {}, retry_after="12").retry_after == 12.0
    assert error(429, {}, x_ratelimit_reset="7").retry_after == 7.0
    assert error(429, {}).retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        [],
        None,
        {"error": "text"},
        {"error": {"message": 5, "code": {}, "type": []}},
        b"[" * 100_000,
        b"\xff\xfe",
        b"x" * 1_000_000,
    ],
)
@pytest.mark.parametrize("status", [400, 418, 500, 599])
def test_an_error_that_says_nothing_readable_still_has_a_message(status: int, body: Any) -> None:
    raised = error(status, body)
    assert str(raised) == f"PaySafer answered {status}."
    assert (raised.type, raised.code) == (None, None)


def test_a_long_message_is_cut() -> None:
    assert len(str(error(400, {"error": {"message": "word " * 10_000}}))) < 510


def leaky() -> Any:
    body = dict.fromkeys(("message", "type", "code", "param", "doc_url", "decline_code"), LEAKY)
    return answer(402, {"error": body | {"payment": LEAKY}}, x_request_id=LEAKY)


def assert_clean(text: str) -> None:
    for secret in SECRETS:
        assert secret not in text
    assert "example.com" not in text
    assert "123" not in text.replace("0123", "")
    assert "4321" not in text
    assert "999" not in text


def test_an_error_holds_no_secret_or_personal_data_in_any_form() -> None:
    with pytest.raises(errors.CardError) as caught:
        World().drive(create(idempotency_key="order_1"), leaky())
    raised = caught.value
    for text in (
        str(raised),
        repr(raised),
        repr(vars(raised)),
        pickle.dumps(raised).decode("latin-1"),
        "".join(traceback.format_exception(raised)),
    ):
        assert_clean(text)


def test_no_local_of_ours_shows_a_key_in_a_traceback() -> None:
    """Reporters such as Sentry print the ``repr`` of every local."""
    with pytest.raises(errors.APIConnectionError) as caught:
        World().drive(create(metadata={"note": "private"}), LOST, max_retries=0)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in report.stack if "flask_paysafer" in frame.filename]
    assert len(ours) >= 3
    for frame in ours:
        for text in (frame.locals or {}).values():
            assert SECRET_KEY not in text
            assert "private" not in text


def test_the_log_holds_no_secret_or_personal_data(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World()
    path = "/people/customer@example.com"
    operation = planned.request("GET", path, json=None, params={"q": LEAKY})
    world.fail(operation, refusal(500), leaky())
    assert len(caplog.records) == 2
    assert_clean(caplog.text)


@pytest.mark.parametrize(
    "call",
    [
        lambda c: c.payments.create(amount=1, currency="aed", receipt_email="a@example.com"),
        lambda c: c.customers.create(email="a@example.com"),
        lambda c: c.customers.update("cus_1", email="a@example.com"),
        lambda c: c.tokens.create(card={"number": "4242", "exp_month": 1, "exp_year": 2030}),
    ],
)
def test_no_local_of_the_services_shows_what_is_personal(call: Any) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(400))
    client = PaySaferClient(SECRET_KEY, publishable_key=PUBLISHABLE_KEY, transport=transport)
    with pytest.raises(errors.InvalidRequestError) as caught:
        call(client)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(f.locals) for f in report.stack if "/flask_paysafer/" in f.filename]
    assert len(ours) >= 3
    assert not any("example.com" in text or "4242" in text for text in ours)


@pytest.mark.parametrize("client", [PaySaferClient, AsyncPaySaferClient])
@pytest.mark.parametrize(
    "keys",
    [
        {"secret_key": "pk_live_acmeshop1"},
        {"publishable_key": "sk_live_acmeshop1"},
        {"secret_key": "sk_live_acmeshop1", "publishable_key": "pk_test_acmeshop1"},
        {"secret_key": "sk_live_acmeshop1", "base_url": "http://shop.example"},
    ],
)
def test_no_local_of_a_constructor_shows_a_key(client: Any, keys: dict[str, str]) -> None:
    with pytest.raises(errors.ConfigurationError) as caught:
        client(**keys)
    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [str(f.locals) for f in report.stack if "/flask_paysafer/" in f.filename]
    assert len(ours) == 1
    assert "acmeshop1" not in ours[0]


@pytest.mark.parametrize(
    "cls",
    [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)],
)
def test_every_error_pickles_and_copies(cls: type[errors.PaySaferError]) -> None:
    raised = cls("Text.", code="c", status=402, idempotency_key="k", attempts=2, outcome="unknown")
    for twin in (pickle.loads(pickle.dumps(raised)), copy.copy(raised), copy.deepcopy(raised)):
        assert type(twin) is cls
        assert vars(twin) == vars(raised)
        assert twin.args == ("Text.",)


def test_what_only_some_errors_hold_pickles_too() -> None:
    card = errors.CardError("No.", decline_code="lost_card", payment_id="pay_1")
    assert pickle.loads(pickle.dumps(card)).payment_id == "pay_1"
    limit = errors.RateLimitError("Wait.", retry_after=3.0)
    assert pickle.loads(pickle.dumps(limit)).retry_after == 3.0
