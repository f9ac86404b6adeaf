"""What type checkers see of the client; run as well, so that it is also true.

``mypy --strict`` reads this file with the rest: an ``assert_type`` that is wrong, or an
ignored error that is none, fails there.
"""

from __future__ import annotations

import asyncio
from typing import Any, assert_type

import pytest

from flask_paysafer import (
    AsyncPaySaferClient,
    Customer,
    Money,
    Page,
    Payment,
    PaySaferClient,
    Token,
    WebhookEndpoint,
)
from flask_paysafer.client import AttemptRecord, RateLimit
from flask_paysafer.pagination import AsyncPage
from flask_paysafer.params import Card
from flask_paysafer.resources import Resource

from .driving import PUBLISHABLE_KEY, SECRET_KEY
from .recording import Recorder


def test_results_are_typed() -> None:
    client = PaySaferClient(SECRET_KEY, publishable_key=PUBLISHABLE_KEY, transport=Recorder())
    payment = client.payments.create(amount=15000, currency="aed", metadata={"order": "1"})
    assert_type(payment, Payment)
    assert_type(payment.amount, int)
    assert_type(payment.status, str)
    assert_type(payment.failure_reason, str | None)
    assert_type(payment.money, Money)
    assert_type(payment["amount"], Any)
    assert_type(client.payments.list(limit=5), Page[Payment])
    for one in client.customers.list():
        assert_type(one, Customer)
    assert_type(client.customers.create(email=None), Customer)
    assert_type(client.webhook_endpoints.create(url="https://shop.example/"), WebhookEndpoint)
    card: Card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2040}
    assert_type(client.tokens.create(card=card), Token)
    assert_type(client.request("GET", "/payments/pay_1"), Resource)
    assert_type(client.rate_limit, RateLimit | None)
    assert_type(client.with_options(timeout=1.0), PaySaferClient)


def test_awaited_results_are_typed() -> None:
    async def calls() -> None:
        async with AsyncPaySaferClient(SECRET_KEY, transport=Recorder()) as client:
            assert_type(await client.payments.retrieve("pay_1"), Payment)
            page = await client.payments.list(limit=5)
            assert_type(page, AsyncPage[Payment])
            assert_type(await page.next_page(), AsyncPage[Payment] | None)
            async for one in client.customers.list():
                assert_type(one, Customer)

    asyncio.run(calls())


def test_wrong_arguments_are_seen_before_anything_runs() -> None:
    client = PaySaferClient(SECRET_KEY, transport=Recorder())
    with pytest.raises(TypeError):
        client.payments.create(amount="15000", currency="aed")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        client.payments.create(amount=15000)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        client.payments.create(amount=1, currency="aed", ammount=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        client.payments.retrieve(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        client.payments.list(limit="5")  # type: ignore[arg-type]


def test_hooks_are_typed() -> None:
    def note(record: AttemptRecord) -> None:
        assert_type(record.status, int | None)

    PaySaferClient(SECRET_KEY, transport=Recorder(), hooks=[note]).payments.retrieve("pay_1")
