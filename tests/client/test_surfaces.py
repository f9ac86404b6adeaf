"""The two clients offer the same, one of them awaited."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from flask_paysafer.client import (
    AsyncPaySaferClient,
    PaySaferClient,
    async_services,
    parameters,
    sync_services,
)
from flask_paysafer.client.async_pages import Listing
from flask_paysafer.pagination import AsyncPage, Page

SERVICES = sorted(sync_services.__all__)
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
    parameters_ = inspect.signature(function).parameters.values()
    return tuple((p.name, p.kind, p.default, str(p.annotation)) for p in parameters_)


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_the_same_methods_with_the_same_arguments(name: str) -> None:
    blocking, awaited = getattr(sync_services, name), getattr(async_services, name)
    assert public(blocking).keys() == public(awaited).keys()
    for method, function in public(blocking).items():
        twin = public(awaited)[method]
        assert signature(function) == signature(twin)
        assert inspect.iscoroutinefunction(twin) or method == "list"
        assert (function.__doc__ or "")[:20] == (twin.__doc__ or "")[:20]


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


def test_every_call_takes_the_five_options() -> None:
    options = {"idempotency_key", "timeout", "deadline", "max_retries", "headers"}
    assert set(parameters.CallOptions.__annotations__) == options
    for name in set(parameters.__all__) - {"Card"}:
        typed = getattr(parameters, name)
        assert options <= typed.__required_keys__ | typed.__optional_keys__


def test_pages_have_the_same_methods() -> None:
    assert {*public(Page)} == {*public(AsyncPage)}
    assert hasattr(Listing, "__await__")
    assert hasattr(Listing, "__aiter__")


@pytest.mark.parametrize("client", [PaySaferClient, AsyncPaySaferClient])
def test_no_repr_shows_a_key(client: Any) -> None:
    made = client("sk_test_acmeshop1", publishable_key="pk_test_acmeshop1")
    name = client.__name__
    assert repr(made) == f"<{name} of https://api.paysafer.me/v1>"
    for part in (made._core, made._wire, made.payments):
        assert "acmeshop1" not in repr(part)
