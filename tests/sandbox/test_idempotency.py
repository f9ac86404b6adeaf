from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.engine import LIMITS
from tests.waiting import wait_for

from .conftest import client_of, pay, types

ORDER = {"amount": 15000, "currency": "aed", "payment_method": "pm_card_visa"}
DAY = 24 * 3600


def order(client: httpx.Client, key: str = "order_1", **changes: object) -> httpx.Response:
    return client.post("/payments", json=ORDER | changes, headers={"Idempotency-Key": key})


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


@pytest.fixture
def strict(sandbox: Sandbox) -> None:
    sandbox.settings(idempotency="strict")


def test_same_call_gets_the_first_answer_again(client: httpx.Client, sandbox: Sandbox) -> None:
    first, second = order(client), order(client)
    assert second.text == first.text
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["X-Request-Id"] != first.headers["X-Request-Id"]
    assert types(sandbox) == ["payment.created", "payment.completed"]


def test_json_written_differently_is_the_same_call(client: httpx.Client) -> None:
    first = order(client)
    body = b'{ "payment_method":"pm_card_visa", "currency":"aed", "amount":15000 }'
    second = client.post("/payments", content=body, headers={"Idempotency-Key": "order_1"})
    assert second.text == first.text


def test_decline_is_replayed(client: httpx.Client, sandbox: Sandbox) -> None:
    first = order(client, payment_method="pm_card_chargeDeclined")
    second = order(client, payment_method="pm_card_chargeDeclined")
    assert (second.status_code, second.text) == (402, first.text)
    assert types(sandbox) == ["payment.created", "payment.failed"]


def test_work_that_could_not_be_done_is_replayed(client: httpx.Client) -> None:
    path = f"/payments/{pay(client, card=None).json()['id']}/capture"
    headers = {"Idempotency-Key": "capture_1"}
    assert client.post(path, headers=headers).status_code == 422
    again = client.post(path, headers=headers)
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (422, "true")


def test_key_belongs_to_one_call(client: httpx.Client) -> None:
    order(client)
    assert code(order(client, amount=15001)) == (409, "idempotency_key_reused")
    elsewhere = client.post("/customers", json={}, headers={"Idempotency-Key": "order_1"})
    assert code(elsewhere) == (409, "idempotency_key_reused")


@pytest.mark.usefixtures("strict")
def test_strict_reading_refuses_any_reuse(client: httpx.Client, sandbox: Sandbox) -> None:
    assert order(client).status_code == 200
    assert code(order(client)) == (409, "idempotency_key_reused")
    assert types(sandbox) == ["payment.created", "payment.completed"]


def test_key_lives_a_day(client: httpx.Client, sandbox: Sandbox) -> None:
    first = order(client)
    sandbox.advance(DAY - 1)
    assert order(client).text == first.text
    sandbox.advance(1)
    assert order(client).json()["id"] != first.json()["id"]


def test_keys_are_apart_by_account_and_mode(client: httpx.Client, sandbox: Sandbox) -> None:
    ids = {order(client).json()["id"]}
    for key in ("sk_live_acmeshop1", "sk_test_othershop"):
        with client_of(sandbox, key) as other:
            ids.add(order(other).json()["id"])
    assert len(ids) == 3


def test_refused_input_does_not_use_the_key_up(client: httpx.Client) -> None:
    assert order(client, amount=-1).status_code == 400
    assert order(client, customer="cus_nobody").status_code == 400
    assert order(client).status_code == 200


def test_missing_key_of_the_account_does_not_use_it_up(
    client: httpx.Client, sandbox: Sandbox
) -> None:
    with client_of(sandbox, None) as nobody:
        assert order(nobody).status_code == 401
    assert order(client).status_code == 200


@pytest.mark.parametrize(("fault", "status"), [("error-500", 500), ("rate-limit", 429)])
def test_fault_before_the_work_does_not_use_it_up(
    client: httpx.Client, sandbox: Sandbox, fault: str, status: int
) -> None:
    sandbox.fault(fault)
    assert order(client).status_code == status
    assert order(client).status_code == 200
    assert len(sandbox.events()) == 2


def test_replay_counts_against_the_rate_limit(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIMITS, "test", 2)
    remaining = [order(client).headers["X-RateLimit-Remaining"] for _ in range(2)]
    assert remaining == ["1", "0"]
    assert order(client).status_code == 429


def test_key_is_taken_while_the_first_call_runs(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("delay", seconds=60)
    with ThreadPoolExecutor() as pool:
        first = pool.submit(order, client)
        wait_for(lambda: bool(sandbox.engine.keys.running), "the call to have its key")
        with client_of(sandbox) as second:
            assert code(order(second)) == (409, "idempotency_key_in_use")
        sandbox.engine.closing.set()
        assert first.result().status_code == 200


def test_one_of_many_equal_calls_at_once_does_the_work(sandbox: Sandbox) -> None:
    barrier = threading.Barrier(8)

    def call() -> int:
        with client_of(sandbox) as client:
            barrier.wait(10)
            return order(client).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = [done.result() for done in [pool.submit(call) for _ in range(8)]]
    assert set(statuses) <= {200, 409}
    assert types(sandbox) == ["payment.created", "payment.completed"]


@pytest.mark.parametrize("key", ["", "k" * 256, "two\tparts"])
def test_unusable_key_is_refused(client: httpx.Client, key: str) -> None:
    answer = order(client, key)
    assert answer.json()["error"]["param"] == "Idempotency-Key"


def test_reading_needs_no_key(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "order_1"}
    payment = order(client).json()
    read = client.get(f"/payments/{payment['id']}", headers=headers)
    assert read.json() == payment
