"""A sandbox in process, callers of it, and a shop that its deliveries go to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from .shop import Shop

Call = Callable[..., httpx.Response]


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def sandbox(shop: Shop) -> Iterator[Sandbox]:
    with Sandbox(clock_rate=0, sender=shop.receive) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """A server of the account ``acmeshop1``, in test mode."""
    with client_of(sandbox) as client:
        yield client


def client_of(
    sandbox: Sandbox, key: str | None = "sk_test_acmeshop1", **headers: str
) -> httpx.Client:
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    return httpx.Client(
        transport=sandbox.transport(), base_url="http://127.0.0.1/v1", headers=headers
    )


def types(sandbox: Sandbox) -> list[str]:
    return [event["type"] for event in sandbox.events()]


def pay(client: httpx.Client, card: str | None = "visa", **fields: Any) -> httpx.Response:
    order: dict[str, Any] = {"amount": 15000, "currency": "aed"}
    if card is not None:
        order["payment_method"] = f"pm_card_{card}"
    return client.post("/payments", json=order | fields)
