"""The sandbox plays another PaySafer, and a client with that profile sees no difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer import ApiProfile, PaySaferClient, Webhook, errors
from flask_paysafer.sandbox import Sandbox

from .shop import WEBHOOK, Shop

PROFILES: dict[str, dict[str, Any]] = {
    "paths": {
        "paths": {
            "payments": "/charges",
            "customers": "/clients",
            "webhook_endpoints": "/webhooks",
            "tokens": "/card-tokens",
            "confirm": "/charges/{id}/submit",
        }
    },
    "lists": {
        "lists": {
            "items": "results.items",
            "has_more": "",
            "next": "results.next_cursor",
            "limit": "page_size",
            "after": "cursor",
            "before": "until",
            "created_after": "created_after",
        }
    },
    "addresses": {"lists": {"items": "items", "has_more": "", "next": "links.next_url"}},
    "bare array": {"lists": {"items": "", "has_more": ""}},
    "words": {
        "statuses": {"PAID": "succeeded", "paid_out": "succeeded", "DECLINED": "failed"},
        "events": {"charge.succeeded": "payment.completed"},
        "fields": {
            "challenge_url": "redirect",
            "failure_reason": "failure.code",
            "amount_refunded": "refunds.total",
            "save_payment_method": "store_card",
            "off_session": "unattended",
            "card_details": "card",
        },
    },
    "headers": {
        "headers": {
            "idempotency_key": "X-Idempotency",
            "replayed": "X-Replay",
            "request_id": ["X-Trace"],
            "signature": "X-Signature",
        },
        "rate_limits": {"reset": "seconds"},
        "webhooks": {"scheme": "body-base64", "data": "data.object"},
    },
    "standard": {"webhooks": {"scheme": "standard-webhooks"}, "idempotency": {"key_hours": 1}},
}
CARD: dict[str, Any] = {
    "number": "4242424242424242",
    "exp_month": 12,
    "exp_year": 2090,
    "cvc": "123",
}
ORDER: dict[str, Any] = {"amount": 15000, "currency": "aed"}


@pytest.fixture(params=list(PROFILES.values()), ids=list(PROFILES))
def profile(request: pytest.FixtureRequest) -> ApiProfile:
    return ApiProfile.from_mapping(request.param)


@pytest.fixture
def other(profile: ApiProfile, shop: Shop) -> Iterator[Sandbox]:
    with Sandbox(clock_rate=0, sender=shop.receive, profile=profile) as sandbox:
        yield sandbox


@pytest.fixture
def merchant(other: Sandbox, profile: ApiProfile) -> Iterator[PaySaferClient]:
    with client_of(other, profile) as client:
        yield client


def client_of(sandbox: Sandbox, profile: ApiProfile) -> PaySaferClient:
    return PaySaferClient(
        "sk_test_acmeshop1",
        publishable_key="pk_test_acmeshop1",
        base_url="http://127.0.0.1:4242/v1",
        transport=sandbox.transport(),
        max_retries=0,
        profile=profile,
    )


def test_the_whole_journey_works(
    merchant: PaySaferClient, other: Sandbox, shop: Shop, profile: ApiProfile
) -> None:
    endpoint = merchant.webhook_endpoints.create(url=WEBHOOK)
    customer = merchant.customers.create(name="Amal").id
    token = merchant.tokens.create(card=CARD).id  # type: ignore[arg-type]
    paid = merchant.payments.create(
        **ORDER,
        payment_method=token,
        customer=customer,
        save_payment_method=True,
        idempotency_key="order_1",
    )
    assert (paid.status, paid.amount_received) == ("succeeded", 15000)
    assert str(paid.payment_method).startswith("pm_")
    again = merchant.payments.create(
        **ORDER,
        payment_method=token,
        customer=customer,
        save_payment_method=True,
        idempotency_key="order_1",
    )
    assert again.id == paid.id
    renewal = merchant.payments.create(
        **ORDER, payment_method=paid.payment_method, customer=customer, off_session=True
    )
    assert renewal.status == "succeeded"
    refunded = merchant.payments.refund(paid.id, amount=500)
    assert refunded.amount_refunded == 500
    with pytest.raises(errors.CardError) as declined:
        merchant.payments.create(**ORDER, payment_method="pm_card_chargeDeclined")
    assert declined.value.decline_code == "generic_decline"
    waiting = merchant.payments.create(**ORDER, payment_method="pm_card_visa", confirm=False)
    assert merchant.payments.confirm(waiting.id).status == "succeeded"
    challenged = merchant.payments.create(**ORDER, payment_method="pm_card_authenticationRequired")
    assert challenged.status == "requires_action"
    listed = list(merchant.payments.list(limit=2))
    assert [one.id for one in listed] == [one["id"] for one in reversed(other.objects("payment"))]
    other.advance(0)
    assert check_deliveries(shop, endpoint.secret or "", profile) == [
        event["type"] for event in other.events()
    ]


def check_deliveries(shop: Shop, secret: str, profile: ApiProfile) -> list[str]:
    """Verify all deliveries as a shop with the profile does, and return the types."""
    return [
        Webhook.verify(
            request.body,
            request.headers.get(profile.headers.signature),
            secret,
            scheme=profile.webhooks.scheme,
            headers=request.headers,
            profile=profile,
            tolerance=10**9,
            now=2_000_000_000,
        ).type
        for request in shop.requests
    ]


def ask(profile: dict[str, Any], method: str, path: str, **options: Any) -> httpx.Response:
    with (
        Sandbox(clock_rate=0, profile=profile) as sandbox,
        httpx.Client(
            transport=sandbox.transport(),
            base_url="http://127.0.0.1/v1",
            headers={"Authorization": "Bearer sk_test_acmeshop1"},
        ) as client,
    ):
        sandbox.seed()
        return client.request(method, path, **options)


def test_moved_places_are_empty_at_their_old_ones() -> None:
    payments = ask(PROFILES["words"], "GET", "/payments", params={"limit": 100}).json()["data"]
    assert {one["status"] for one in payments} >= {"PAID", "DECLINED", "requires_capture"}
    for payment in payments:
        usual = {"next_action", "failure_reason", "amount_refunded", "payment_method_details"}
        assert not payment.keys() & usual
        assert payment["card"]["brand"]
        assert ("redirect" in payment) is (payment["status"] == "requires_action")


@pytest.mark.parametrize(
    ("name", "method", "path", "options", "status"),
    [
        ("paths", "GET", "/payments", {}, 404),
        ("paths", "GET", "/charges", {}, 200),
        ("words", "POST", "/payments", {"json": ORDER | {"unattended": True}}, 200),
    ],
)
def test_our_own_names_are_gone_where_theirs_are_others(
    name: str, method: str, path: str, options: dict[str, Any], status: int
) -> None:
    assert ask(PROFILES[name], method, path, **options).status_code == status


def test_headers_have_their_names() -> None:
    answer = ask(PROFILES["headers"], "GET", "/payments")
    assert answer.headers["X-Trace"].startswith("req_")
    assert "X-Request-Id" not in answer.headers
    assert 0 < int(answer.headers["X-RateLimit-Reset"]) <= 60


def test_conflict_reading_refuses_any_reuse() -> None:
    profile = ApiProfile.from_mapping({"idempotency": {"reuse": "conflict"}})
    with Sandbox(clock_rate=0, profile=profile) as sandbox:
        assert sandbox.settings()["idempotency"] == "strict"


def test_key_lives_as_long_as_the_profile_says() -> None:
    profile = ApiProfile.from_mapping(PROFILES["standard"])
    with Sandbox(clock_rate=0, profile=profile) as sandbox, client_of(sandbox, profile) as client:
        first = client.payments.create(**ORDER, idempotency_key="k").id
        sandbox.advance(3599)
        assert client.payments.create(**ORDER, idempotency_key="k").id == first
        sandbox.advance(1)
        assert client.payments.create(**ORDER, idempotency_key="k").id != first


def test_retries_keep_their_signature_where_the_profile_says_so(shop: Shop) -> None:
    from flask_paysafer.sandbox import WebhookResponse

    shop.default = WebhookResponse(500)
    profile = ApiProfile.from_mapping({"webhooks": {"resigned_on_retry": False}})
    with Sandbox(clock_rate=0, sender=shop.receive, profile=profile) as sandbox:
        sandbox.register(WEBHOOK)
        sandbox.trigger("customer.created", account="acmeshop1")
        sandbox.advance(400)
    signatures = [request.headers["PaySafer-Signature"] for request in shop.requests]
    assert (len(signatures), len(set(signatures))) == (3, 1)


def test_the_usual_profile_changes_nothing(sandbox: Sandbox) -> None:
    assert sandbox.wsgi_app.wsgi_app == sandbox._usual_app  # type: ignore[attr-defined]  # it is Flask's
    with Sandbox(profile=ApiProfile()) as same:
        assert same.wsgi_app.wsgi_app == same._usual_app  # type: ignore[attr-defined]  # it is Flask's
