from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import werkzeug.test

from flask_paysafer.sandbox import Sandbox, WebhookResponse

from .conftest import client_of, pay, types
from .shop import Shop


@pytest.fixture
def control(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(
        transport=sandbox.transport(), base_url="http://127.0.0.1:4242/_sandbox"
    ) as client:
        yield client


def test_clock_is_told_and_moved(control: httpx.Client) -> None:
    before = control.get("/clock").json()
    after = control.post("/clock/advance", json={"seconds": 90}).json()
    assert after == {"now": before["now"] + 90, "rate": 0}


def test_clock_moves_to_the_next_retry(
    control: httpx.Client, client: httpx.Client, shop: Shop
) -> None:
    shop.register(client)
    shop.answers = [WebhookResponse(500)]
    client.post("/customers")
    before = control.get("/clock").json()["now"]
    after = control.post("/clock/advance", json={"to": "next-retry"}).json()["now"]
    assert after - before == 60
    assert control.get("/deliveries").json()[0]["status"] == "delivered"


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"seconds": -1},
        {"seconds": "60"},
        {"seconds": True},
        {"seconds": 10**12},
        {"to": "tomorrow"},
        {"seconds": 1, "to": "next-retry"},
        {"minutes": 1},
        [],
        "60",
    ],
)
def test_clock_refuses_what_makes_no_sense(control: httpx.Client, order: Any) -> None:
    before = control.get("/clock").json()
    answer = control.post("/clock/advance", json=order)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert control.get("/clock").json() == before


def test_faults_are_armed_listed_and_cleared(control: httpx.Client) -> None:
    order = {"kind": "delay", "method": "POST", "path": "/v1/payments", "times": 2, "seconds": 1.5}
    armed = control.post("/faults", json=order).json()
    assert {name: armed[name] for name in order} == order
    assert control.get("/faults").json() == [armed]
    assert control.delete("/faults").status_code == 200
    assert control.get("/faults").json() == []


def test_lists_tell_what_happened(
    control: httpx.Client, client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    payment = pay(client).json()
    sandbox.advance(0)
    events = control.get("/events").json()
    assert [event["data"] for event in events] == [payment, payment]
    deliveries = control.get("/deliveries").json()
    assert [delivery["event"] for delivery in deliveries] == [event["id"] for event in events]
    requests = control.get("/requests").json()
    assert [(one["method"], one["path"], one["status"]) for one in requests] == [
        ("POST", "/v1/webhook-endpoints", 200),
        ("POST", "/v1/payments", 200),
    ]
    (listed,) = control.get("/objects/payment").json()
    assert listed == payment | {"account": "acmeshop1", "mode": "test"}
    assert control.get("/objects/secret").status_code == 404


def test_delivery_is_sent_again(
    control: httpx.Client, client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    client.post("/customers")
    sandbox.advance(0)
    delivery_id = sandbox.deliveries()[0]["id"]
    resent = control.post(f"/deliveries/{delivery_id}/resend").json()
    assert (resent["id"], len(resent["attempts"])) == (delivery_id, 2)
    assert control.post("/deliveries/dlv_nothing/resend").status_code == 404


def test_a_trigger_answers_with_the_event_and_names_what_came_with_it(
    control: httpx.Client, sandbox: Sandbox
) -> None:
    sandbox.trigger("customer.created", account="acmeshop1")
    answer = control.post("/trigger", json={"type": "payment.created", "account": "acmeshop1"})
    assert answer.json() == sandbox.events()[1]
    assert answer.headers["PaySafer-Sandbox-Events"].split() == [
        event["id"] for event in sandbox.events()[1:]
    ]
    assert types(sandbox)[1:] == ["payment.created", "payment.completed"]


def test_settings_are_told_and_changed(control: httpx.Client, client: httpx.Client) -> None:
    changed = control.post("/settings", json={"strict": True, "clock_rate": 0.5}).json()
    assert changed == {
        "idempotency": "replay",
        "strict": True,
        "clock_rate": 0.5,
        "sign_with": "auto",
    }
    assert control.get("/settings").json() == changed
    refused = client.post("/tokens", json={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "route_assumed")
    assert pay(client).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"idempotency": "loose"},
        {"strict": 1},
        {"clock_rate": -1},
        {"clock_rate": "fast"},
        {"colour": "red"},
    ],
)
def test_settings_refuse_what_makes_no_sense(control: httpx.Client, change: dict[str, Any]) -> None:
    before = control.get("/settings").json()
    assert control.post("/settings", json=change).status_code == 400
    assert control.get("/settings").json() == before


def test_reset_empties_everything(
    control: httpx.Client, client: httpx.Client, sandbox: Sandbox
) -> None:
    headers = {"Idempotency-Key": "order_1"}
    client.post("/customers", headers=headers)
    sandbox.fault("error-500", times=100)
    assert control.post("/reset").status_code == 200
    for name in ("events", "deliveries", "requests", "faults", "objects/customer"):
        assert control.get(f"/{name}").json() == []
    again = client.post("/customers", headers=headers)
    assert "Idempotent-Replayed" not in again.headers
    assert again.headers["X-RateLimit-Remaining"] == "99"


def test_seed_is_a_small_shops_history(control: httpx.Client, client: httpx.Client) -> None:
    seeded = control.post("/seed").json()
    assert (seeded["account"], seeded["secret_key"]) == ("acmeshop1", "sk_test_acmeshop1")
    payments = client.get("/payments", params={"limit": 100}).json()["data"]
    assert len(payments) == seeded["counts"]["payment"]
    assert {payment["status"] for payment in payments} == {
        "succeeded",
        "failed",
        "requires_action",
        "requires_capture",
    }
    payouts = control.get("/objects/payout").json()
    assert [payout["status"] for payout in payouts] == ["paid", "failed"]
    assert control.post("/seed", json={"account": "short"}).status_code == 400


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "127.0.0.1.evil.example:4242"},
        {"Host": "["},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:5000"},
        {"Origin": "https://127.0.0.1:4242"},
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/clock"),
        ("GET", "/events"),
        ("POST", "/faults"),
        ("DELETE", "/faults"),
        ("POST", "/reset"),
        ("POST", "/clock/advance"),
    ],
)
def test_steering_is_for_its_own_pages_alone(
    control: httpx.Client, sandbox: Sandbox, method: str, path: str, headers: dict[str, str]
) -> None:
    with client_of(sandbox) as client:
        pay(client)
    assert control.request(method, path, headers=headers).status_code == 403
    assert len(sandbox.objects("payment")) == 1


def test_steering_answers_this_machine_only(sandbox: Sandbox) -> None:
    remote = httpx.WSGITransport(app=sandbox.wsgi_app, remote_addr="192.0.2.7")
    with httpx.Client(transport=remote, base_url="http://127.0.0.1:4242") as elsewhere:
        assert elsewhere.get("/_sandbox/clock").status_code == 403


def test_steering_answers_its_own_process(sandbox: Sandbox) -> None:
    """Werkzeug's test client gives no address; a server on a unix socket gives an empty one."""
    client = werkzeug.test.Client(sandbox.wsgi_app)
    assert client.get("/_sandbox/clock").json == sandbox.clock()
    assert client.get("/_sandbox/clock", base_url="http://shop.example").status_code == 403
    unknown = client.get("/_sandbox/clock", environ_base={"REMOTE_ADDR": ""})
    assert unknown.status_code == 403


def test_sandboxes_own_page_may_steer(control: httpx.Client) -> None:
    headers = {"Origin": "http://127.0.0.1:4242"}
    assert control.post("/clock/advance", json={"seconds": 1}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [("/faults", {"kind": "delay"}), ("/settings", {}), ("/clock/advance", {"seconds": 1})],
)
def test_unknown_option_is_refused(control: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = control.post(path, json=body | {"colour": "red"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "colour")
