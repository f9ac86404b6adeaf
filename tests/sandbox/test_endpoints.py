from __future__ import annotations

import httpx
import pytest

from flask_paysafer.sandbox import ApiError, Sandbox

from .conftest import client_of
from .shop import WEBHOOK


def test_secret_is_told_once(client: httpx.Client) -> None:
    created = client.post("/webhook-endpoints", json={"url": WEBHOOK}).json()
    assert created.pop("secret").startswith("whsec_")
    assert created == {
        "id": created["id"],
        "object": "webhook_endpoint",
        "url": WEBHOOK,
        "enabled_events": ["*"],
        "status": "enabled",
        "created": created["created"],
        "livemode": False,
    }
    assert client.get(f"/webhook-endpoints/{created['id']}").json() == created
    assert client.get("/webhook-endpoints").json()["data"] == [created]


@pytest.mark.parametrize("events", [[], ["payment.*"], ["payment.paid"], ["*", "*"], "*", [1]])
def test_unknown_types_are_refused(client: httpx.Client, events: object) -> None:
    answer = client.post("/webhook-endpoints", json={"url": WEBHOOK, "enabled_events": events})
    error = answer.json()["error"]
    assert error["code"] == "parameter_invalid"
    assert error["param"].startswith("enabled_events")


def test_remote_address_is_taken_and_each_delivery_says_why_nothing_is_sent() -> None:
    with Sandbox() as sandbox, client_of(sandbox) as client:
        answer = client.post("/webhook-endpoints", json={"url": "https://shop.example/"})
        assert answer.status_code == 200
        client.post("/customers")
        sandbox.advance(0)
        [attempt] = sandbox.deliveries()[0]["attempts"]
    assert "--allow-remote-webhooks" in attempt["error"]


@pytest.mark.parametrize("url", ["nowhere", "ftp://shop.example/", "https://", "https://a:b@c/"])
def test_what_is_no_address_is_refused(client: httpx.Client, url: str) -> None:
    error = client.post("/webhook-endpoints", json={"url": url}).json()["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid", "url")


def test_deleted_endpoint_is_gone(client: httpx.Client) -> None:
    endpoint_id = client.post("/webhook-endpoints", json={"url": WEBHOOK}).json()["id"]
    path = f"/webhook-endpoints/{endpoint_id}"
    assert client.delete(path).json() == {
        "id": endpoint_id,
        "object": "webhook_endpoint",
        "deleted": True,
    }
    assert client.get(path).status_code == 404


def test_registering_again_keeps_the_secret(sandbox: Sandbox) -> None:
    assert sandbox.register(WEBHOOK) == sandbox.register(WEBHOOK)
    with pytest.raises(ApiError, match="allow-remote-webhooks"):
        sandbox.register("https://shop.example/")
