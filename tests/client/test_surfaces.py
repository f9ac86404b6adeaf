"""The two clients offer the same, one of them awaited."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from flask_paysafer import params
from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.client.services import Customers, Payments, Tokens, WebhookEndpoints
from flask_paysafer.pagination import AsyncPage, AsyncPaginator, Page

SERVICES = [Payments, Customers, WebhookEndpoints, Tokens]
DOCUMENTED = {
    "payments": ["cancel", "capture", "confirm", "create", "list", "refund", "retrieve"],
    "customers": ["create", "delete", "list", "retrieve", "update"],
    "webhook_endpoints": ["create", "delete", "list", "retrieve"],
    "tokens": ["create"],
}


def public(owner: object) -> dict[str, Any]:
    return {
        name: member
        for name, member in inspect.getmembers(owner)
        if not name.startswith("_") and callable(member)
    }


def signature(function: Any) -> tuple[Any, ...]:
    parameters = inspect.signature(function).parameters.values()
    return tuple((p.name, p.kind, p.default, str(p.annotation)) for p in parameters)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: str(service.__name__))
def test_services_have_the_same_methods_with_the_same_arguments(service: Any) -> None:
    blocking, awaited = service(PaySaferClient()), service(AsyncPaySaferClient())
    assert public(blocking).keys() == public(awaited).keys()
    for name, method in public(blocking).items():
        twin = public(awaited)[name]
        assert signature(method) == signature(twin)
        assert not inspect.iscoroutinefunction(method)
        assert inspect.iscoroutinefunction(twin) or name == "list"
        assert method.__doc__ == twin.__doc__


def test_signatures_say_what_comes_back() -> None:
    blocking, awaited = PaySaferClient().payments, AsyncPaySaferClient().payments
    assert str(inspect.signature(blocking.create)) == (
        "(**params: 'Unpack[CreatePayment]') -> 'Payment'"
    )
    assert inspect.signature(blocking.list).return_annotation == "Page[Payment]"
    assert inspect.signature(awaited.list).return_annotation == "AsyncPaginator[Payment]"


def test_clients_have_the_same_methods_with_the_same_arguments() -> None:
    blocking, awaited = public(PaySaferClient), public(AsyncPaySaferClient)
    assert blocking.keys() == awaited.keys()
    for method in blocking:
        assert signature(blocking[method]) == signature(awaited[method])


def test_a_client_has_no_public_methods_beside_the_documented_ones() -> None:
    assert {*public(PaySaferClient)} == {"close", "request", "with_options"}


def test_constructors_differ_in_their_transport_alone() -> None:
    blocking = dict(inspect.signature(PaySaferClient.__init__).parameters)
    awaited = dict(inspect.signature(AsyncPaySaferClient.__init__).parameters)
    assert (blocking.pop("transport").default, awaited.pop("transport").default) == (None, None)
    assert blocking.keys() == awaited.keys()
    assert [p.default for p in blocking.values()] == [p.default for p in awaited.values()]


@pytest.mark.parametrize("client", [PaySaferClient("sk_test_acmeshop1"), AsyncPaySaferClient()])
def test_services_are_those_that_are_documented(client: object) -> None:
    for name, methods in DOCUMENTED.items():
        assert sorted(public(getattr(client, name))) == methods


def test_every_call_takes_the_same_options() -> None:
    options = {"idempotency_key", "timeout", "deadline", "max_retries", "headers", "extra"}
    assert set(params.CallOptions.__annotations__) == options
    for name in set(params.__all__) - {"Card"}:
        typed = getattr(params, name)
        assert options <= typed.__required_keys__ | typed.__optional_keys__


def test_pages_have_the_same_methods() -> None:
    assert {*public(Page)} == {*public(AsyncPage)}
    assert hasattr(AsyncPaginator, "__await__")
    assert hasattr(AsyncPaginator, "__aiter__")


@pytest.mark.parametrize("client", [PaySaferClient, AsyncPaySaferClient])
def test_no_repr_shows_a_key(client: Any) -> None:
    made = client("sk_test_acmeshop1", publishable_key="pk_test_acmeshop1")
    name = client.__name__
    assert repr(made) == f"<{name} of https://api.paysafer.me/v1>"
    for part in (made._settings, made._connections, made.payments):
        assert "acmeshop1" not in repr(part)
