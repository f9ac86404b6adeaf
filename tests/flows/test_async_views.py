"""Async views, async handlers, and the async client from the extension."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from flask_paysafer import Event, PaySafer, Webhook, errors
from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import SECRET, SETTINGS

CLIENTS = 8


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def paysafer(sandbox: Sandbox) -> PaySafer:
    return PaySafer(async_transport=sandbox.async_transport(), transport=sandbox.transport())


@pytest.fixture
def app(paysafer: PaySafer, tmp_path: Path) -> Flask:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.from_mapping(SETTINGS)
    paysafer.init_app(app)

    @app.post("/pay/<int:amount>")
    async def pay(amount: int) -> dict[str, str]:
        payment = await paysafer.async_client.payments.create(
            amount=amount,
            currency="aed",
            payment_method="pm_card_visa",
            idempotency_key=f"amount_{amount}",
        )
        return {"id": payment.id, "status": payment.status}

    @app.get("/payments")
    async def payments() -> list[str]:
        found = await paysafer.async_client.payments.list(limit=1)
        return [payment.id async for payment in found]

    @app.get("/both")
    async def both() -> list[str]:
        made = await asyncio.gather(
            paysafer.async_client.customers.create(name="One"),
            paysafer.async_client.customers.create(name="Two"),
        )
        return [customer.name or "" for customer in made]

    return app


def test_an_async_view_pays(app: Flask) -> None:
    answer = app.test_client().post("/pay/15000").json

    assert answer is not None
    assert answer["status"] == "succeeded"


def test_one_client_serves_one_view_after_the_other(app: Flask) -> None:
    """Flask runs every async view on an event loop of its own."""
    browser = app.test_client()

    made = [browser.post(f"/pay/{amount}").json for amount in range(1, CLIENTS + 1)]

    assert len({answer["id"] for answer in made if answer}) == CLIENTS
    assert len(browser.get("/payments").json or ()) == CLIENTS


def test_calls_run_side_by_side(app: Flask) -> None:
    assert app.test_client().get("/both").json == ["One", "Two"]


def test_without_a_key_the_error_names_the_setting(tmp_path: Path) -> None:
    app, paysafer = Flask("shop", instance_path=str(tmp_path)), PaySafer()
    paysafer.init_app(app)

    with (
        app.app_context(),
        pytest.raises(errors.ConfigurationError, match="PAYSAFER_SECRET_KEY is not set"),
    ):
        _ = paysafer.async_client


def test_an_async_handler_is_run_to_its_end_in_the_apps_context(
    app: Flask, paysafer: PaySafer
) -> None:
    handled = []

    @paysafer.on("payment.completed")
    async def fulfil(event: Event) -> None:
        await asyncio.sleep(0)
        customer = await paysafer.async_client.customers.create(
            name="Noura", idempotency_key=event.idempotency_key("customer")
        )
        handled.append((event.data.id, customer.name))

    assert deliver(app) == 200
    assert handled == [("pay_1", "Noura")]


def test_an_async_handler_that_fails_is_a_failed_handler(app: Flask, paysafer: PaySafer) -> None:
    @paysafer.on("payment.completed")
    async def fulfil(event: Event) -> None:
        raise RuntimeError("the warehouse is closed")

    assert deliver(app) == 500


def test_an_async_handler_works_where_a_loop_runs_already(app: Flask, paysafer: PaySafer) -> None:
    """As under an ASGI server that calls the app in its own thread."""
    handled = []

    @paysafer.on("payment.completed")
    async def fulfil(event: Event) -> None:
        handled.append(event.id)

    async def serve() -> int:
        return deliver(app)

    assert asyncio.run(serve()) == 200
    assert handled == ["evt_1"]


def deliver(app: Flask) -> int:
    event = {
        "id": "evt_1",
        "type": "payment.completed",
        "created": 1709472000,
        "data": {"id": "pay_1", "object": "payment", "amount": 15000, "currency": "aed"},
    }
    body = json.dumps(event).encode()
    answer = app.test_client().post(
        "/paysafer/webhook",
        data=body,
        headers={"PaySafer-Signature": Webhook.sign(body, SECRET)},
        content_type="application/json",
    )
    return answer.status_code
