from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from flask_paysafer.client import PaySaferClient

from .driving import SECRET_KEY, planned
from .recording import Recorder


def test_none_means_not_given(client: Any, paysafer: Recorder) -> None:
    client.payments.create(amount=1, currency="AED", description=None, timeout=None, headers=None)
    assert paysafer.body == {"amount": 1, "currency": "aed"}


def test_sends_every_field_that_is_documented(client: Any, paysafer: Recorder) -> None:
    fields: dict[str, Any] = {
        "amount": 15000,
        "currency": "aed",
        "payment_method": "pm_card_visa",
        "description": 'Invoice №1 "x"',
        "customer": "cus_1",
        "metadata": {"order_id": "order_1234"},
        "receipt_email": "customer@example.com",
        "capture_method": "manual",
        "confirm": False,
        "return_url": "https://shop.example/back",
    }
    client.payments.create(**fields)
    assert paysafer.body == fields


@pytest.mark.parametrize(
    ("call", "method", "path", "body"),
    [
        (lambda c: c.payments.retrieve("pay_1"), "GET", "/v1/payments/pay_1", None),
        (lambda c: c.payments.capture("pay_1", amount=5), "POST", "/v1/payments/pay_1/capture",
         {"amount": 5}),
        (lambda c: c.payments.capture("pay_1"), "POST", "/v1/payments/pay_1/capture", {}),
        (lambda c: c.payments.cancel("pay_1"), "POST", "/v1/payments/pay_1/cancel", {}),
        (lambda c: c.payments.refund("pay_1", reason="duplicate"), "POST",
         "/v1/payments/pay_1/refund", {"reason": "duplicate"}),
        (lambda c: c.payments.confirm("pay_1", payment_method="tok_1"), "POST",
         "/v1/payments/pay_1/confirm", {"payment_method": "tok_1"}),
        (lambda c: c.customers.create(email="a@example.com", name="A", phone="1"), "POST",
         "/v1/customers", {"email": "a@example.com", "name": "A", "phone": "1"}),
        (lambda c: c.customers.retrieve("cus_1"), "GET", "/v1/customers/cus_1", None),
        (lambda c: c.customers.update("cus_1", name="B"), "PATCH", "/v1/customers/cus_1",
         {"name": "B"}),
        (lambda c: c.customers.delete("cus_1"), "DELETE", "/v1/customers/cus_1", None),
        (lambda c: c.webhook_endpoints.create(url="https://shop.example/paysafer/webhook"),
         "POST", "/v1/webhook-endpoints",
         {"url": "https://shop.example/paysafer/webhook", "enabled_events": ["*"]}),
        (lambda c: c.webhook_endpoints.create(url="https://a.example", enabled_events=["x.y"]),
         "POST", "/v1/webhook-endpoints",
         {"url": "https://a.example", "enabled_events": ["x.y"]}),
        (lambda c: c.webhook_endpoints.retrieve("we_1"), "GET", "/v1/webhook-endpoints/we_1",
         None),
        (lambda c: c.webhook_endpoints.delete("we_1"), "DELETE", "/v1/webhook-endpoints/we_1",
         None),
        (lambda c: c.tokens.create(card={"number": "4242424242424242", "exp_month": 1,
                                         "exp_year": 2030, "cvc": "123", "name": "A"}),
         "POST", "/v1/tokens",
         {"card": {"number": "4242424242424242", "exp_month": 1, "exp_year": 2030,
                   "cvc": "123", "name": "A"}}),
        (lambda c: c.request("post", "payouts/po_1/retry", json={"a": 1}), "POST",
         "/v1/payouts/po_1/retry", {"a": 1}),
    ],
)  # fmt: skip
def test_each_call_goes_where_it_is_documented(
    client: Any, paysafer: Recorder, call: Callable[[Any], Any], method: str, path: str, body: Any
) -> None:
    call(client)
    assert (paysafer.request.method, paysafer.request.url.path) == (method, path)
    assert paysafer.body == body


def test_lists_are_asked_for_with_a_query(client: Any, paysafer: Recorder) -> None:
    moment = datetime(2024, 3, 3, 13, 20, tzinfo=UTC)
    client.payments.list(limit=3, starting_after="pay_1", created={"gte": moment, "lt": 5})
    assert dict(paysafer.request.url.params) == {
        "limit": "3",
        "starting_after": "pay_1",
        "created[gte]": "1709472000",
        "created[lt]": "5",
    }


@pytest.mark.parametrize("limit", [1, 100])
def test_the_smallest_and_the_largest_page_can_be_asked_for(
    client: Any, paysafer: Recorder, limit: int
) -> None:
    client.payments.list(limit=limit)
    assert paysafer.request.url.params["limit"] == str(limit)


def test_free_requests_write_any_query(client: Any, paysafer: Recorder) -> None:
    client.request("GET", "/payouts", params={"a": True, "b": [1, 2], "c": {"d": "e f"}, "f": None})
    assert paysafer.request.url.query == b"a=true&b=1&b=2&c%5Bd%5D=e+f"


@pytest.mark.parametrize("odd", ["pay_1?x=1", "pay 1", "pay#1", "päy", "%2e%2e", "a@b"])
def test_quotes_what_an_id_may_hold(odd: str) -> None:
    operation = planned.payments.retrieve(odd)
    assert not set(operation.path.removeprefix("/payments/")) & set("/?# @ä")
    assert unquote(operation.path) == f"/payments/{odd}"
    assert operation.expected_id == odd


def test_extra_parameters_are_sent_as_they_are(client: Any, paysafer: Recorder) -> None:
    client.payments.create(amount=1, currency="aed", extra={"new": {"deep": [1, None]}, "b": None})
    assert paysafer.body == {"amount": 1, "currency": "aed", "new": {"deep": [1, None]}, "b": None}


@pytest.mark.parametrize(
    ("call", "body", "query"),
    [
        (lambda c, e: c.payments.capture("pay_1", extra=e), {"a": 1}, b""),
        (lambda c, e: c.payments.cancel("pay_1", extra=e), {"a": 1}, b""),
        (lambda c, e: c.customers.update("cus_1", name="B", extra=e), {"name": "B", "a": 1}, b""),
        (lambda c, e: c.payments.retrieve("pay_1", extra=e), None, b"a=1"),
        (lambda c, e: c.customers.delete("cus_1", extra=e), None, b"a=1"),
        (lambda c, e: c.payments.list(limit=2, extra=e), None, b"limit=2&a=1"),
        (lambda c, e: c.request("GET", "/x", params={"b": 2}, extra=e), None, b"b=2&a=1"),
        (lambda c, e: c.request("POST", "/x", json={"b": 2}, extra=e), {"b": 2, "a": 1}, b""),
        (lambda c, e: c.request("PUT", "/x", extra=e), {"a": 1}, b""),
    ],
)
def test_every_call_takes_extra_parameters(
    client: Any, paysafer: Recorder, call: Callable[..., Any], body: Any, query: bytes
) -> None:
    call(client, {"a": 1})
    assert (paysafer.body, paysafer.request.url.query) == (body, query)


def test_extra_parameters_stay_on_every_page() -> None:
    asked: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.query)
        data = [{"id": f"pay_{len(asked)}"}]
        return httpx.Response(200, json={"data": data, "has_more": len(asked) < 2})

    with PaySaferClient(SECRET_KEY, transport=httpx.MockTransport(answer)) as paging:
        assert len(list(paging.payments.list(extra={"status": "failed"}))) == 2
    assert asked == [b"status=failed", b"status=failed&starting_after=pay_1"]
