from __future__ import annotations

import httpx

from flask_paysafer.sandbox import Sandbox

from .conftest import client_of, pay


def test_every_answer_tells_how_many_requests_are_left(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    first, second = client.get("/payments"), client.get("/payments/pay_nobody")
    assert first.headers["X-RateLimit-Limit"] == "100"
    assert first.headers["X-RateLimit-Remaining"] == "99"
    assert second.headers["X-RateLimit-Remaining"] == "98"
    reset = int(second.headers["X-RateLimit-Reset"])
    assert reset == sandbox.clock()["now"] + 60


def test_reset_is_when_requests_are_taken_again() -> None:
    with Sandbox(start=1_800_000_000.75, clock_rate=0) as sandbox, client_of(sandbox) as client:
        for _ in range(101):
            last = client.get("/customers")
        assert last.headers["X-RateLimit-Reset"] == "1800000060"
        sandbox.advance(59)
        assert client.get("/customers").status_code == 429
        sandbox.advance(0.25)
        assert client.get("/customers").status_code == 200


def test_hundred_and_first_request_of_a_minute_is_refused(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    for _ in range(100):
        assert client.get("/customers").status_code == 200
    refused = pay(client)
    error = refused.json()["error"]
    assert (refused.status_code, error["type"], error["code"]) == (
        429,
        "rate_limit_error",
        "rate_limit_exceeded",
    )
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert sandbox.events() == []


def test_window_ends_after_a_virtual_minute(client: httpx.Client, sandbox: Sandbox) -> None:
    for _ in range(101):
        last = client.get("/customers")
    assert last.status_code == 429
    sandbox.advance(60)
    assert client.get("/customers").headers["X-RateLimit-Remaining"] == "99"


def test_accounts_and_modes_are_counted_apart(client: httpx.Client, sandbox: Sandbox) -> None:
    client.get("/customers")
    with client_of(sandbox, "sk_live_acmeshop1") as live:
        answer = live.get("/customers")
        assert answer.headers["X-RateLimit-Limit"] == "1000"
        assert answer.headers["X-RateLimit-Remaining"] == "999"
    with client_of(sandbox, "pk_test_acmeshop1") as browser:
        assert browser.post("/tokens", json={}).headers["X-RateLimit-Remaining"] == "98"


def test_hurried_clock_asks_for_shorter_waits(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.settings(clock_rate=30)
    for _ in range(101):
        last = client.get("/customers")
    assert int(last.headers["Retry-After"]) <= 2
