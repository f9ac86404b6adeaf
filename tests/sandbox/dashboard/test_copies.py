"""Copies are run for real: as a merchant's tests, and with curl."""

from __future__ import annotations

import ast
import json
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from flask_paysafer import Webhook
from flask_paysafer.sandbox import Sandbox, WebhookResponse
from tests.services import require_program
from tests.testing.merchant import Run

from ..conftest import pay
from ..shop import Shop

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

CARD = {"exp_month": 12, "exp_year": 2040, "cvc": "123"}
Copy = Callable[..., str]


@pytest.fixture
def copy(dashboard: httpx.Client) -> Copy:
    def copy(name: str, form: str = "py") -> str:
        return dashboard.get(f"/_sandbox/dashboard/copy/{name}.{form}").raise_for_status().text

    return copy


def last_request(sandbox: Sandbox) -> str:
    found: str = sandbox.requests()[-1]["id"]
    return found


def test_a_delivery_becomes_a_test_of_the_shop(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, copy: Copy, run: Run
) -> None:
    shop.default = WebhookResponse(500)
    shop.register(client)
    pay(client, metadata={"order_id": "7"})
    sandbox.advance(0)
    test = copy(sandbox.deliveries()[-1]["id"])
    assert "def test_payment_completed_is_taken(paysafer_deliver):" in test
    run(test).assert_outcomes(passed=1)


def test_the_copied_delivery_fails_where_the_shop_does(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, copy: Copy, run: Run
) -> None:
    shop.register(client)
    pay(client, description="break")
    sandbox.advance(0)
    run(copy(sandbox.deliveries()[-1]["id"])).assert_outcomes(failed=1)


def test_an_event_that_nobody_took_becomes_a_test_too(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run
) -> None:
    pay(client)
    run(copy(sandbox.events()[0]["id"])).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("card", "fields"),
    [
        ("visa", {"metadata": {"text": 'it\'s {odd} "text" ✓'}}),
        ("visa", {"capture_method": "manual"}),
        ("chargeDeclined", {}),
        ("authenticationRequired", {"return_url": "http://127.0.0.1/back"}),
        ("nobody", {}),
        (None, {}),
    ],
)
def test_a_call_becomes_a_test_that_ends_as_it_did(
    sandbox: Sandbox,
    client: httpx.Client,
    copy: Copy,
    run: Run,
    card: str | None,
    fields: dict[str, Any],
) -> None:
    pay(client, card, **fields)
    run(copy(last_request(sandbox))).assert_outcomes(passed=1)


def test_a_call_brings_along_the_calls_it_builds_on(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run
) -> None:
    customer = client.post("/customers", json={"name": "Mariam"}).json()["id"]
    pay(client)
    payment = pay(client, customer=customer).json()["id"]
    client.post(f"/payments/{payment}/refund", json={"amount": 500})
    test = copy(last_request(sandbox))
    assert test.count("paysafer_client.request") == 3
    assert payment not in test
    run(test).assert_outcomes(passed=1)


def test_a_payment_that_failed_can_be_built_on(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run
) -> None:
    payment = pay(client, "chargeDeclined").json()["error"]["payment"]["id"]
    client.post(f"/payments/{payment}/confirm", json={"payment_method": "pm_card_visa"})
    run(copy(last_request(sandbox))).assert_outcomes(passed=1)


def test_a_token_is_made_again_though_the_card_was_not_kept(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run
) -> None:
    token = client.post("/tokens", json={"card": {**CARD, "number": "4000000000009995"}}).json()
    client.post("/payments", json={"amount": 1, "currency": "aed", "payment_method": token["id"]})
    test = copy(last_request(sandbox))
    assert '"4000000000009995"' in test
    run(test).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "fault", ["lost-answer", "error-500", "rate-limit", "truncate", "bad-json"]
)
def test_a_fault_happens_again(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run, fault: str
) -> None:
    sandbox.fault(fault)
    try:
        pay(client)
    except httpx.TransportError:
        assert fault in {"lost-answer", "truncate"}
    test = copy(last_request(sandbox))
    assert f'"PaySafer-Sandbox-Fault": "{fault}"' in test
    run(test).assert_outcomes(passed=1)


def test_the_whole_session_becomes_two_tests(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, copy: Copy, run: Run
) -> None:
    shop.register(client)
    key = {"Idempotency-Key": "order_7"}
    for _ in range(2):
        client.post(
            "/payments",
            json={
                "amount": 700,
                "currency": "aed",
                "payment_method": "pm_card_visa",
                "metadata": {"order_id": "7"},
            },
            headers=key,
        )
    client.get("/payments", params={"limit": 1})
    client.get("/payments/pay_gone")
    shop.answers = [WebhookResponse(500)]
    pay(client, metadata={"order_id": "8"})
    sandbox.advance(3600)
    test = copy("session")
    assert test.count("paysafer_client.request") == 4
    assert "/webhook-endpoints" not in test  # the test would deliver to whoever listens there
    run(test).assert_outcomes(passed=2)


def test_what_happened_without_a_call_happens_again(
    sandbox: Sandbox, client: httpx.Client, dashboard: httpx.Client, copy: Copy, run: Run
) -> None:
    """The cardholder, a trigger, a click and the clock change what later calls are answered."""
    passed = pay(client, "authenticationRequired").json()
    page = passed["next_action"]["redirect_to_url"]["url"]
    assert dashboard.post(page, data={"result": "pass"}).status_code == 200
    client.get(f"/payments/{passed['id']}").raise_for_status()
    run(copy(last_request(sandbox))).assert_outcomes(passed=1)
    refused = pay(client, "authenticationRequired", capture_method="manual").json()["id"]
    sandbox.authenticate(refused, passed=False)
    client.get(f"/payments/{refused}")
    sold = sandbox.trigger("payment.completed", account="acmeshop1", amount=700)["data"]["id"]
    client.post(f"/payments/{sold}/refund", json={"amount": 100}).raise_for_status()
    run(copy(last_request(sandbox))).assert_outcomes(passed=1)
    refund = f"/_sandbox/dashboard/payments/{sold}/refund"
    assert dashboard.post(refund, json={"amount": 50}).status_code == 200
    client.get(f"/payments/{sold}")
    run(copy(last_request(sandbox))).assert_outcomes(passed=1)
    held = pay(client, capture_method="manual").json()["id"]
    sandbox.seed()
    sandbox.advance(7 * 86400)
    client.get(f"/payments/{held}")
    test = copy("session")
    assert not {word for word in (passed["id"], refused, sold, held) if word in test}
    assert "paysafer_sandbox.advance(604800)" in test
    assert '["status"] == "canceled"' in test
    run(test).assert_outcomes(passed=1)


def test_more_calls_than_a_minute_takes_are_repeated_over_more_than_one(
    sandbox: Sandbox, client: httpx.Client, copy: Copy, run: Run
) -> None:
    for _ in range(110):
        assert client.get("/payments").status_code == 200
        sandbox.advance(1)
    run(copy("session")).assert_outcomes(passed=1)


def test_an_empty_session_cannot_be_copied(dashboard: httpx.Client) -> None:
    answer = dashboard.get("/_sandbox/dashboard/copy/session.py")
    assert answer.json()["error"]["message"] == "Nothing has happened yet that could be copied."


def test_what_no_empty_sandbox_could_repeat_is_refused(
    sandbox: Sandbox, client: httpx.Client, dashboard: httpx.Client
) -> None:
    sandbox.seed()
    payment = sandbox.objects("payment")[0]["id"]
    client.post(f"/payments/{payment}/refund")
    answer = dashboard.get(f"/_sandbox/dashboard/copy/{last_request(sandbox)}.py")
    assert answer.status_code == 400
    assert payment in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", ["pay_gone", "dlv_gone", "req_gone"])
@pytest.mark.parametrize("form", ["py", "sh"])
def test_what_is_not_there_is_not_found(dashboard: httpx.Client, name: str, form: str) -> None:
    assert dashboard.get(f"/_sandbox/dashboard/copy/{name}.{form}").status_code == 404


def test_a_copied_request_is_a_command_that_makes_it_again(
    sandbox: Sandbox, dashboard: httpx.Client
) -> None:
    with sandbox.serve() as served, httpx.Client() as client:
        answer = client.post(
            f"{served.url}/v1/payments",
            json={"amount": 900, "currency": "aed", "metadata": {"text": "it's $HOME"}},
            headers={"Authorization": "Bearer sk_test_acmeshop1", "Idempotency-Key": "order_7"},
        )
        name = last_request(sandbox)
        command = client.get(f"{served.url}/_sandbox/dashboard/copy/{name}.sh").text
        assert json.loads(shell(command))["id"] == answer.json()["id"]
        assert sandbox.requests()[-1]["replayed"]


def test_a_copied_delivery_is_a_command_that_a_shop_takes_now(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, copy: Copy
) -> None:
    endpoint = shop.register(client)
    pay(client)
    sandbox.advance(7200)
    command = copy(sandbox.deliveries()[0]["id"], "sh")
    header, body = part(command, "PaySafer-Signature: "), part(command, "")
    event = Webhook.verify(body.encode(), header, endpoint["secret"])
    assert event.type == "payment.created"


def test_what_a_stranger_sends_never_becomes_code(
    sandbox: Sandbox, client: httpx.Client, copy: Copy
) -> None:
    attack = '"""; import os; os.abort(); """'
    sandbox.fault("error-500")
    client.get(f"/payments/{attack}")
    test = copy(last_request(sandbox))
    assert attack in [
        node.value.removeprefix("/payments/")
        for node in ast.walk(ast.parse(test))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    client.request("GET`ID`", "/payments")
    assert "curl -X 'GET`ID`' " in copy(last_request(sandbox), "sh")


def test_the_whole_session_becomes_commands(
    sandbox: Sandbox, client: httpx.Client, copy: Copy
) -> None:
    pay(client)
    client.get("/payments")
    assert copy("session", "sh").count("curl -X") == 2


def part(command: str, start: str) -> str:
    """Return the header that begins with ``start``, or the body."""
    words = shlex.split(command, comments=True)
    if not start:
        return words[words.index("--data-raw") + 1]
    return next(word.removeprefix(start) for word in words if word.startswith(start))


def shell(command: str) -> str:
    require_program("curl")
    done = subprocess.run(
        ["/bin/sh", "-c", f"{command.rstrip()} --silent --noproxy '*'"],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout
