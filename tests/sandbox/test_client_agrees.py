"""The client's methods and the description name the same calls and the same fields."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any, get_type_hints

import pytest

from flask_paysafer import AsyncPaySaferClient, PaySaferClient, params
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.description import describe

SERVICES = {"payments", "customers", "webhook_endpoints", "tokens"}
FIELDS = {
    "createPayment": params.CreatePayment,
    "capturePayment": params.CapturePayment,
    "refundPayment": params.RefundPayment,
    "confirmPayment": params.ConfirmPayment,
    "createCustomer": params.CreateCustomer,
    "updateCustomer": params.UpdateCustomer,
    "createWebhookEndpoint": params.CreateWebhookEndpoint,
    "createToken": params.CreateToken,
}
OPTIONS = set(get_type_hints(params.CallOptions))
CARD: params.Card = {
    "number": "4242424242424242",
    "exp_month": 12,
    "exp_year": 2030,
    "cvc": "123",
}
ORDER: dict[str, Any] = {"amount": 15000, "currency": "aed", "payment_method": "pm_card_visa"}


def operations() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for calls in describe()["paths"].values()
        for operation in calls.values()
    }


def described_fields(operation: dict[str, Any]) -> set[str]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return set(schema["properties"])


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_client_takes_the_fields_that_are_described(name: str) -> None:
    taken = set(get_type_hints(FIELDS[name])) - OPTIONS
    assert taken == described_fields(operations()[name])


def test_list_parameters_are_the_ones_described() -> None:
    described = {
        parameter["name"].partition("[")[0]
        for parameter in operations()["listPayments"]["parameters"]
    }
    assert set(get_type_hints(params.ListParameters)) - OPTIONS == described


def call_everything(client: PaySaferClient) -> int:
    """Call every method of every service once, and return how many there are."""
    payments = client.payments
    payments.list()
    payments.retrieve(payments.create(**ORDER).id)
    payments.refund(payments.create(**ORDER).id)
    payments.capture(payments.create(**ORDER, capture_method="manual").id)
    payments.cancel(payments.create(**ORDER, capture_method="manual").id)
    payments.confirm(payments.create(**ORDER, confirm=False).id)
    customer = client.customers.create(name="Amal")
    client.customers.retrieve(customer.id)
    client.customers.update(customer.id, name="Omar")
    client.customers.list()
    client.customers.delete(customer.id)
    endpoint = client.webhook_endpoints.create(url="http://127.0.0.1:5000/hook")
    client.webhook_endpoints.retrieve(endpoint.id)
    client.webhook_endpoints.list()
    client.webhook_endpoints.delete(endpoint.id)
    client.tokens.create(card=CARD)
    return sum(len(methods(getattr(client, service))) for service in SERVICES)


def methods(service: Any) -> set[str]:
    return {name for name, _ in inspect.getmembers(service, callable) if name[0] != "_"}


def test_every_described_call_has_a_method_and_every_method_a_call() -> None:
    with (
        Sandbox() as sandbox,
        PaySaferClient(
            "sk_test_acmeshop1",
            publishable_key="pk_test_acmeshop1",
            base_url="http://127.0.0.1:4242/v1",
            transport=sandbox.transport(),
        ) as client,
    ):
        number_of_methods = call_everything(client)
        called = {entry["route"] for entry in sandbox.requests()}
    assert called == set(operations())
    assert number_of_methods == len(called)


async def pay_asynchronously() -> None:
    with Sandbox() as sandbox:
        async with AsyncPaySaferClient(
            "sk_test_acmeshop1",
            base_url="http://127.0.0.1:4242/v1",
            transport=sandbox.async_transport(),
        ) as client:
            payment = await client.payments.create(**ORDER)
        assert sandbox.objects("payment")[0]["id"] == payment.id


def test_async_client_reaches_the_same_sandbox() -> None:
    asyncio.run(pay_asynchronously())
