from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer import errors
from flask_paysafer.client.operation import AttemptResult, Operation
from flask_paysafer.resources import Payment

from .driving import LOST, OK, UNSENT, World, answer, create, payment, planned, refusal, retrieve


def test_returns_the_object_that_was_answered() -> None:
    world = World()
    result = world.drive(create(), OK)
    assert isinstance(result, Payment)
    assert result == payment()


def test_a_request_carries_key_type_length_and_no_compression() -> None:
    world = World()
    world.drive(create(idempotency_key="order_1_attempt_1"), OK, api_version="2026-01-15")
    assert world.sends[0].url == "https://api.paysafer.me/v1/payments"
    assert world.headers() == {
        "Host": "api.paysafer.me",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "flask-paysafer",
        "Authorization": "Bearer sk_test_acmeshop1",
        "Content-Type": "application/json",
        "Content-Length": str(len(world.sends[0].body)),
        "Idempotency-Key": "order_1_attempt_1",
        "PaySafer-Version": "2026-01-15",
    }


def test_a_read_carries_no_key_body_or_version() -> None:
    world = World()
    world.drive(retrieve(), OK)
    assert world.sends[0].body == b""
    assert not {"Idempotency-Key", "Content-Type", "PaySafer-Version"} & set(world.headers())


def test_every_attempt_sends_the_same_bytes_and_key() -> None:
    world = World()
    world.drive(create(metadata={"order": "1"}), LOST, refusal(500), OK)
    first, *others = world.sends
    assert all((s.body, s.headers, s.url) == (first.body, first.headers, first.url) for s in others)
    assert len(dict(first.headers)["Idempotency-Key"]) == 32


def test_two_calls_get_two_keys() -> None:
    world = World()
    world.drive(create(), OK)
    world.drive(create(), OK)
    assert world.headers(0)["Idempotency-Key"] != world.headers(1)["Idempotency-Key"]


def test_an_update_gets_a_key_too() -> None:
    world = World()
    world.drive(planned.customers.update("cus_1", name="A"), answer(200, {"id": "cus_1"}))
    assert "Idempotency-Key" in world.headers()


@pytest.mark.parametrize(
    "operation",
    [create(), retrieve(), planned.customers.delete("pay_1")],
    ids=["create", "retrieve", "delete"],
)
@pytest.mark.parametrize("reply", [LOST, UNSENT, refusal(500), refusal(503), refusal(429)])
def test_asks_again_where_that_is_safe(operation: Operation[Any], reply: AttemptResult) -> None:
    world = World()
    world.drive(operation, reply, OK)
    assert len(world.sends) == 2


def test_asks_at_most_as_often_as_it_may() -> None:
    error = World().fail(create(), LOST, LOST, LOST)
    assert error.attempts == 3
    error = World().fail(create(), LOST, max_retries=0)
    assert error.attempts == 1


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 408, 409, 410, 418, 422])
def test_never_repeats_what_was_refused(status: int) -> None:
    assert World().fail(create(), refusal(status)).attempts == 1


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_never_follows_or_repeats_a_redirect(status: int) -> None:
    error = World().fail(create(), answer(status, b"", location="https://elsewhere.example/"))
    assert type(error) is errors.APIError
    assert error.attempts == 1


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[]", b'{"a":', b"null", b"{}", b'{"id": 5}', b"\xff", b"[" * 99999]
)
def test_never_repeats_a_success_that_cannot_be_read(body: bytes) -> None:
    error = World().fail(create(), answer(200, body))
    assert type(error) is errors.APIError
    assert (error.attempts, error.outcome, error.status) == (1, "unknown", 200)


def test_a_write_without_a_key_is_not_repeated_when_it_may_have_been_done() -> None:
    put = planned.request("PUT", "/settings", json={}, params=None)
    assert World().fail(put, LOST).attempts == 1
    assert World().fail(put, refusal(500)).attempts == 1
    World().drive(put, UNSENT, answer(200, {}))
    keyed = {"idempotency_key": "k"}
    World().drive(
        planned.request("PUT", "/settings", json={}, params=None, **keyed),
        LOST,
        answer(200, {}),
    )


def test_a_reply_about_another_object_is_an_error() -> None:
    error = World().fail(retrieve("pay_2"), OK)
    assert error.message == (
        "PaySafer's answer to GET /payments/pay_2 can't be used: "
        "it is about another object than the one asked for."
    )
    assert (error.attempts, error.outcome) == (1, "rejected")
    error = World().fail(planned.payments.refund("pay_2"), OK)
    assert error.outcome == "unknown"


def test_an_answer_without_content_is_an_empty_object() -> None:
    free = planned.request("DELETE", "/cards/card_1", json=None, params=None)
    assert World().drive(free, answer(204, b"")) == {}


def test_an_answer_without_content_is_no_payment() -> None:
    assert World().fail(create(), answer(204, b"")).outcome == "unknown"
