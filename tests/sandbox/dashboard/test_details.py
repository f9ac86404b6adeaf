from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from ..conftest import pay
from ..shop import Shop
from .conftest import Feed


def test_a_payment_comes_with_its_events_deliveries_disputes_and_requests(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, feed: Feed
) -> None:
    shop.register(client)
    payment = pay(client).json()["id"]
    client.get(f"/payments/{payment}")
    sandbox.trigger("dispute.created", payment=payment)
    sandbox.advance(0)
    detail = feed(id=payment)["detail"]
    assert [event["type"] for event in detail["events"]] == [
        "payment.created",
        "payment.completed",
        "dispute.created",
    ]
    assert len(detail["deliveries"]) == 3
    assert [dispute["payment"] for dispute in detail["disputes"]] == [payment]
    assert [request["method"] for request in detail["requests"]] == ["POST", "GET"]


def test_a_customer_comes_with_their_payments(client: httpx.Client, feed: Feed) -> None:
    customer = client.post("/customers", json={"name": "Mariam"}).json()["id"]
    payment = pay(client, customer=customer).json()["id"]
    assert [one["id"] for one in feed(id=customer)["detail"]["payments"]] == [payment]


def test_a_delivery_shows_each_attempt_whole(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, feed: Feed
) -> None:
    shop.register(client)
    pay(client)
    sandbox.advance(0)
    delivery = sandbox.deliveries()[0]["id"]
    attempt = feed("delivery", id=delivery)["detail"]["object"]["attempts"][0]
    assert "PaySafer-Signature" in attempt["request"]["headers"]
    assert '"payment.created"' in attempt["request"]["body"]


def test_an_endpoint_shows_its_signing_secret_as_the_real_dashboard_does(
    shop: Shop, client: httpx.Client, feed: Feed
) -> None:
    endpoint = shop.register(client)
    assert feed(id=endpoint["id"])["detail"]["secret"] == endpoint["secret"]


def test_a_request_is_shown_whole_but_for_its_key(client: httpx.Client, feed: Feed) -> None:
    pay(client)
    request = feed("request")["list"]["rows"][0]["id"]
    shown = feed("request", id=request)["detail"]["object"]
    assert '"amount"' in shown["request"]["body"]
    assert "sk_test" not in str(shown)


@pytest.mark.parametrize(
    ("card", "fields", "actions"),
    [
        ("visa", {}, ["refund", "dispute"]),
        ("visa", {"capture_method": "manual"}, ["capture", "cancel"]),
        ("chargeDeclined", {}, ["cancel"]),
        ("authenticationRequired", {}, ["challenge", "cancel"]),
        (None, {}, ["cancel"]),
    ],
)
def test_a_payment_offers_what_its_status_allows(
    client: httpx.Client,
    sandbox: Sandbox,
    feed: Feed,
    card: str | None,
    fields: dict[str, Any],
    actions: list[str],
) -> None:
    pay(client, card, **fields)
    payment = sandbox.objects("payment")[0]["id"]
    assert feed(id=payment)["detail"]["actions"] == actions


def test_a_disputed_or_refunded_payment_offers_no_refund(
    client: httpx.Client, sandbox: Sandbox, feed: Feed
) -> None:
    disputed, refunded = (pay(client).json()["id"] for _ in range(2))
    sandbox.trigger("dispute.created", payment=disputed)
    client.post(f"/payments/{refunded}/refund")
    assert feed(id=disputed)["detail"]["actions"] == []
    assert feed(id=refunded)["detail"]["actions"] == []


def test_an_open_dispute_can_be_decided_once(
    client: httpx.Client, sandbox: Sandbox, feed: Feed
) -> None:
    pay(client)
    dispute = sandbox.trigger("dispute.created", account="acmeshop1")["data"]["id"]
    assert feed(id=dispute)["detail"]["actions"] == ["win", "lose"]
    sandbox.trigger("dispute.resolved", account="acmeshop1", data={"id": dispute})
    assert feed(id=dispute)["detail"]["actions"] == []


def test_what_is_gone_has_no_detail(feed: Feed) -> None:
    assert feed(id="pay_gone")["detail"] is None
