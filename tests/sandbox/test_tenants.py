from __future__ import annotations

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from .conftest import client_of, pay

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["type"], error["code"]


@pytest.mark.parametrize(
    "header",
    [
        "Bearer sk_test_short",
        "Bearer sk_prod_acmeshop1",
        "Bearer acmeshop1",
        "Bearer",
        "Basic c2tfdGVzdA==",
        "sk_test_acmeshop1",
        "Bearer sk_test_acme shop1",
        "Bearer sk_test_" + "a" * 300,
    ],
)
def test_malformed_key_is_refused(sandbox: Sandbox, header: str) -> None:
    with client_of(sandbox, None, Authorization=header) as client:
        assert refusal(client.get("/payments")) == (
            401,
            "invalid_request_error",
            "api_key_invalid",
        )


def test_missing_key_is_refused(sandbox: Sandbox) -> None:
    with client_of(sandbox, None) as client:
        answer = client.get("/payments")
    assert refusal(answer) == (401, "invalid_request_error", "api_key_missing")
    assert answer.headers["X-Request-Id"]
    assert answer.headers["X-RateLimit-Limit"] == "100"


@pytest.mark.parametrize("key", ["sk_test_acmeshop1", "sk_live_ACME-shop_1", "sk_test_12345678"])
def test_any_wellformed_key_is_an_account(sandbox: Sandbox, key: str) -> None:
    with client_of(sandbox, key) as client:
        assert client.get("/payments").json() == {"object": "list", "data": [], "has_more": False}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/payments"),
        ("GET", "/payments"),
        ("GET", "/payments/pay_1"),
        ("POST", "/payments/pay_1/capture"),
        ("POST", "/payments/pay_1/cancel"),
        ("POST", "/payments/pay_1/refund"),
        ("POST", "/customers"),
        ("DELETE", "/customers/cus_1"),
        ("GET", "/webhook-endpoints"),
    ],
)
def test_publishable_key_can_do_nothing_else(sandbox: Sandbox, method: str, path: str) -> None:
    with client_of(sandbox, "pk_test_acmeshop1") as browser:
        assert refusal(browser.request(method, path)) == (
            401,
            "invalid_request_error",
            "secret_key_required",
        )


def test_publishable_key_makes_tokens_and_confirms(sandbox: Sandbox, client: httpx.Client) -> None:
    with client_of(sandbox, "pk_test_acmeshop1") as browser:
        token = browser.post("/tokens", json={"card": CARD}).json()
        payment_id = pay(client, card=None).json()["id"]
        confirmed = browser.post(
            f"/payments/{payment_id}/confirm", json={"payment_method": token["id"]}
        ).json()
    assert confirmed["status"] == "succeeded"


def test_accounts_do_not_see_each_other(sandbox: Sandbox, client: httpx.Client) -> None:
    payment_id = pay(client).json()["id"]
    with client_of(sandbox, "sk_test_othershop") as other:
        assert other.get(f"/payments/{payment_id}").status_code == 404
        assert other.post(f"/payments/{payment_id}/refund").status_code == 404
        assert other.get("/payments").json()["data"] == []
