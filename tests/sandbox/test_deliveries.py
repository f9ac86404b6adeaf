from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import ApiError, Sandbox, WebhookRequest, WebhookResponse
from flask_paysafer.sandbox.deliveries import RETRY_SECONDS
from tests.waiting import wait_for

from .conftest import client_of, pay
from .shop import WEBHOOK, Shop


def settled(sandbox: Sandbox) -> list[dict[str, Any]]:
    sandbox.advance(0)
    return sandbox.deliveries()


def test_event_arrives_as_it_is(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client)
    pay(client)
    settled(sandbox)
    assert shop.events == sandbox.events()
    assert [request.url for request in shop.requests] == [WEBHOOK, WEBHOOK]


def test_delivery_tells_its_attempts(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    endpoint = shop.register(client)
    client.post("/customers")
    (delivery,) = settled(sandbox)
    assert delivery["event"] == sandbox.events()[0]["id"]
    assert (delivery["endpoint"], delivery["url"]) == (endpoint["id"], WEBHOOK)
    assert delivery["status"] == "delivered"
    (attempt,) = delivery["attempts"]
    assert attempt["at"] == sandbox.clock()["now"]
    assert (attempt["status_code"], attempt["error"]) == (200, None)
    assert attempt["request"]["body"] == shop.requests[0].body.decode()


def test_only_wanted_types_are_sent(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client, enabled_events=["payment.completed", "payment.refunded"])
    payment = pay(client).json()
    client.post(f"/payments/{payment['id']}/refund").raise_for_status()
    settled(sandbox)
    assert shop.types == ["payment.completed", "payment.refunded"]


def test_every_endpoint_of_the_realm_gets_it(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    for number in (1, 2):
        shop.register(client, url=f"{WEBHOOK}/{number}")
    with client_of(sandbox, "sk_live_acmeshop1") as live:
        shop.register(live, url=f"{WEBHOOK}/live")
    client.post("/customers")
    settled(sandbox)
    assert sorted(request.url for request in shop.requests) == [f"{WEBHOOK}/1", f"{WEBHOOK}/2"]


def test_schedule_is_walked_and_then_given_up(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    shop.default = WebhookResponse(500)
    client.post("/customers")
    sandbox.advance(34 * 3600 + 36 * 60)
    (delivery,) = sandbox.deliveries()
    assert delivery["status"] == "failed"
    times = [attempt["at"] for attempt in delivery["attempts"]]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert waits == [60, 300, 1800, 7200, 28800, 86400]
    assert {event["id"] for event in shop.events} == {delivery["event"]}
    sandbox.advance(10 * 86400)
    assert len(shop.requests) == 7


def test_attempt_waits_for_its_time(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client)
    shop.answers = [WebhookResponse(503), WebhookResponse(error="refused")]
    client.post("/customers")
    (delivery,) = settled(sandbox)
    assert delivery["status"] == "pending"
    sandbox.advance(59)
    assert len(shop.requests) == 1
    sandbox.advance(1)
    assert len(shop.requests) == 2
    sandbox.advance(to="next-retry")
    (delivery,) = sandbox.deliveries()
    assert (len(shop.requests), delivery["status"]) == (3, "delivered")
    assert [one["error"] for one in delivery["attempts"]] == [None, "refused", None]


@pytest.mark.parametrize("status", [301, 302, 400, 404, 409, 500, 503])
def test_anything_but_2xx_is_a_failure(
    client: httpx.Client, sandbox: Sandbox, shop: Shop, status: int
) -> None:
    shop.register(client)
    shop.default = WebhookResponse(status)
    client.post("/customers")
    assert settled(sandbox)[0]["status"] == "pending"


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_2xx_is_taken(client: httpx.Client, sandbox: Sandbox, shop: Shop, status: int) -> None:
    shop.register(client)
    shop.default = WebhookResponse(status)
    client.post("/customers")
    assert settled(sandbox)[0]["status"] == "delivered"


def test_nothing_waits_nothing_moves(sandbox: Sandbox) -> None:
    before = sandbox.clock()
    assert sandbox.advance(to="next-retry") == before


def test_failed_delivery_is_sent_again_by_hand(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    shop.default = WebhookResponse(500)
    client.post("/customers")
    sandbox.advance(sum(RETRY_SECONDS))
    (delivery,) = sandbox.deliveries()
    still = sandbox.resend(delivery["id"])
    assert (still["status"], len(still["attempts"])) == ("failed", 8)
    shop.default = WebhookResponse(200)
    assert sandbox.resend(delivery["id"])["status"] == "delivered"
    assert len(shop.requests) == 9


def test_delivered_delivery_is_sent_again_and_stays_delivered(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    client.post("/customers")
    (delivery,) = settled(sandbox)
    shop.default = WebhookResponse(500)
    again = sandbox.resend(delivery["id"])
    assert (again["status"], len(again["attempts"])) == ("delivered", 2)


def test_resend_that_arrives_ends_the_retries(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    shop.answers = [WebhookResponse(500)]
    client.post("/customers")
    (delivery,) = settled(sandbox)
    assert sandbox.resend(delivery["id"])["status"] == "delivered"
    sandbox.advance(86400)
    assert len(shop.requests) == 2


def test_unknown_delivery_is_not_resent(sandbox: Sandbox) -> None:
    with pytest.raises(ApiError, match="No such delivery"):
        sandbox.resend("dlv_nothing")


def test_deleted_endpoint_gets_nothing_more(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    endpoint = shop.register(client)
    shop.default = WebhookResponse(500)
    client.post("/customers")
    settled(sandbox)
    client.delete(f"/webhook-endpoints/{endpoint['id']}").raise_for_status()
    sandbox.advance(86400)
    (delivery,) = sandbox.deliveries()
    assert (delivery["status"], len(shop.requests)) == ("failed", 1)
    with pytest.raises(ApiError, match="endpoint was deleted"):
        sandbox.resend(delivery["id"])


def test_duplicate_delivery_comes_twice_with_one_id(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    sandbox.fault("duplicate-delivery")
    client.post("/customers")
    client.post("/customers")
    deliveries = settled(sandbox)
    assert [len(delivery["attempts"]) for delivery in deliveries] == [2, 1]
    assert shop.events[0] == shop.events[1]


def test_reordered_deliveries_change_places(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    sandbox.fault("reorder-deliveries", path="/paysafer/webhook")
    pay(client)
    pay(client)
    settled(sandbox)
    assert shop.types == [
        "payment.completed",
        "payment.created",
        "payment.created",
        "payment.completed",
    ]


def test_lone_delivery_is_held_back_for_the_next_one(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    sandbox.fault("reorder-deliveries")
    for name in ("first", "second"):
        client.post("/customers", json={"name": name}).raise_for_status()
        sandbox.advance(0)
    sandbox.advance(2)
    assert [event["data"]["name"] for event in shop.events] == ["second", "first"]


def test_held_back_delivery_arrives_even_if_nothing_follows(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    sandbox.fault("reorder-deliveries")
    client.post("/customers")
    sandbox.advance(2)
    assert sandbox.deliveries()[0]["status"] == "delivered"


def test_events_arrive_in_their_order(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client)
    for _ in range(20):
        client.post("/customers")
    settled(sandbox)
    assert shop.events == sandbox.events()


def test_shop_may_call_the_api_from_its_webhook(shop: Shop) -> None:
    """No lock is held while a shop answers."""

    def receive(request: WebhookRequest) -> WebhookResponse:
        if len(shop.requests) == 0:
            with client_of(sandbox) as client:
                client.post("/customers").raise_for_status()
        return shop.receive(request)

    with Sandbox(clock_rate=0, sender=receive) as sandbox, client_of(sandbox) as client:
        shop.register(client)
        client.post("/customers")
        sandbox.advance(0)
        assert shop.events == sandbox.events()
        assert len(shop.events) == 2


def test_slow_shop_holds_up_nobody_else(shop: Shop) -> None:
    release = threading.Event()

    def receive(request: WebhookRequest) -> WebhookResponse:
        if request.url.endswith("slow"):
            release.wait(10)
        return shop.receive(request)

    with Sandbox(clock_rate=0, sender=receive) as sandbox, client_of(sandbox) as client:
        shop.register(client, url=f"{WEBHOOK}/slow")
        shop.register(client, url=f"{WEBHOOK}/quick")
        client.post("/customers")
        wait_for(lambda: shop.requests, "a delivery")
        assert shop.requests[0].url.endswith("quick")
        release.set()
        sandbox.advance(0)
        assert len(shop.requests) == 2


def test_shop_that_raises_fails_the_attempt() -> None:
    def receive(_: WebhookRequest) -> WebhookResponse:
        raise ValueError("a bug of the shop")

    with Sandbox(clock_rate=0, sender=receive) as sandbox, client_of(sandbox) as client:
        Shop().register(client)
        client.post("/customers")
        (delivery,) = settled(sandbox)
    assert delivery["attempts"][0]["error"] == "ValueError: a bug of the shop"


def test_hurried_clock_delivers_by_itself(shop: Shop) -> None:
    shop.answers = [WebhookResponse(500), WebhookResponse(500)]
    with Sandbox(clock_rate=10_000, sender=shop.receive) as sandbox, client_of(sandbox) as client:
        shop.register(client)
        client.post("/customers")
        wait_for(lambda: sandbox.deliveries()[0]["status"] == "delivered", "the delivery")
    assert len(shop.requests) == 3


def test_refused_call_delivers_nothing(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client)
    pay(client, customer="cus_nobody")
    settled(sandbox)
    assert shop.requests == []


def test_reset_forgets_what_waits(client: httpx.Client, sandbox: Sandbox, shop: Shop) -> None:
    shop.register(client)
    shop.default = WebhookResponse(500)
    client.post("/customers")
    settled(sandbox)
    sandbox.reset()
    sandbox.advance(86400)
    assert (sandbox.deliveries(), len(shop.requests)) == ([], 1)
