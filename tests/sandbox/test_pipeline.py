from __future__ import annotations

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.routes import ROUTES, Route

from .conftest import client_of, pay

SHOP = {"Origin": "https://shop.example"}
ASSUMED = {"confirmPayment", "createToken"}


def call(client: httpx.Client, route: Route) -> httpx.Response:
    return client.request(route.method, route.path.removeprefix("/v1").replace("<id>", "some"))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_every_answer_says_whether_its_route_is_documented(
    client: httpx.Client, sandbox: Sandbox, route: Route
) -> None:
    tag = "assumed" if route.name in ASSUMED else "documented"
    assert call(client, route).headers["PaySafer-Sandbox"] == tag
    with client_of(sandbox, None) as nobody:
        assert call(nobody, route).headers["PaySafer-Sandbox"] == tag


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_strict_mode_refuses_what_is_assumed(sandbox: Sandbox, route: Route) -> None:
    sandbox.settings(strict=True)
    with client_of(sandbox) as client:
        answer = call(client, route)
    refused = answer.is_error and answer.json()["error"]["code"] == "route_assumed"
    assert refused is (route.name in ASSUMED)


def test_every_answer_has_a_request_id_of_its_own(client: httpx.Client, sandbox: Sandbox) -> None:
    answers = [client.get("/payments"), client.get("/nothing"), pay(client, "chargeDeclined")]
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert len(set(ids)) == 3
    assert [entry["id"] for entry in sandbox.requests()] == ids


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nothing"), ("POST", "/payments/"), ("GET", "//payments"), ("GET", "/payments/a/b")],
)
def test_unknown_url_is_told_in_json(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, f"http://127.0.0.1/v1{path}")
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["code"]) == (
        404,
        "invalid_request_error",
        "url_unknown",
    )
    assert answer.headers["PaySafer-Sandbox"] == "assumed"
    assert answer.headers["X-RateLimit-Limit"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/payments", {"GET", "HEAD", "POST"}),
        ("DELETE", "/payments/pay_1", {"GET", "HEAD"}),
        ("GET", "/payments/pay_1/capture", {"POST"}),
        ("OPTIONS", "/payments", {"GET", "HEAD", "POST"}),
        ("BREW", "/customers", {"GET", "HEAD", "POST"}),
    ],
)
def test_wrong_method_is_told_with_the_right_ones(
    client: httpx.Client, method: str, path: str, allowed: set[str]
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/tokens", "/payments/pay_1/confirm"])
def test_browsers_may_ask_and_call_across_origins(sandbox: Sandbox, path: str) -> None:
    ask = SHOP | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
    }
    with client_of(sandbox, None) as browser:
        allowed = browser.options(path, headers=ask)
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["Access-Control-Allow-Origin"] == "*"
    assert allowed.headers["Access-Control-Allow-Methods"] == "POST"
    names = allowed.headers["Access-Control-Allow-Headers"].lower()
    assert all(name in names for name in ("authorization", "content-type", "idempotency-key"))
    with client_of(sandbox, "pk_test_acmeshop1") as browser:
        refused = browser.post(path, json={"nonsense": 1}, headers=SHOP)
    assert refused.status_code in {400, 404}
    assert refused.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(("method", "path"), [("POST", "/payments"), ("GET", "/payments/pay_1")])
def test_servers_calls_are_closed_to_browsers(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path, headers=SHOP)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_log_holds_requests_and_answers(client: httpx.Client, sandbox: Sandbox) -> None:
    pay(client, "chargeDeclined")
    (entry,) = sandbox.requests()
    assert (entry["account"], entry["mode"], entry["status"]) == ("acmeshop1", "test", 402)
    assert "pm_card_chargeDeclined" in entry["request"]["body"]
    assert "card_declined" in entry["response"]["body"]


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_body_where_none_belongs_is_refused(client: httpx.Client, method: str) -> None:
    answer = client.request(method, "/customers/cus_1", json={"name": "Amal"})
    assert answer.json()["error"]["code"] == "parameter_unknown"


def test_head_is_answered_like_get(client: httpx.Client) -> None:
    answer = client.head("/payments")
    assert (answer.status_code, answer.content) == (200, b"")
