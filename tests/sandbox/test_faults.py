"""Every fault, in process and over a real socket."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import ApiError, Sandbox
from flask_paysafer.sandbox.faults import API_KINDS

from .conftest import client_of, pay


@pytest.fixture(params=["in process", "over HTTP"])
def caller(request: pytest.FixtureRequest, sandbox: Sandbox) -> Iterator[httpx.Client]:
    if request.param == "in process":
        with client_of(sandbox) as client:
            yield client
        return
    headers = {"Authorization": "Bearer sk_test_acmeshop1"}
    with (
        sandbox.serve() as served,
        httpx.Client(base_url=f"{served.url}/v1", headers=headers, timeout=10) as client,
    ):
        yield client


def test_lost_answer_is_work_done_without_an_answer(caller: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer", method="POST", path="/v1/payments")
    with pytest.raises(httpx.RemoteProtocolError):
        pay(caller)
    assert [payment["status"] for payment in caller.get("/payments").json()["data"]] == [
        "succeeded"
    ]


def test_lost_answer_is_found_again_by_its_key(caller: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer")
    order = {"amount": 100, "currency": "aed", "payment_method": "pm_card_visa"}
    headers = {"Idempotency-Key": "order_1"}
    with pytest.raises(httpx.RemoteProtocolError):
        caller.post("/payments", json=order, headers=headers)
    answer = caller.post("/payments", json=order, headers=headers)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert len(sandbox.objects("payment")) == 1


def test_truncated_answer_breaks_off(caller: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("truncate")
    with pytest.raises(httpx.RemoteProtocolError):
        pay(caller)
    assert len(sandbox.objects("payment")) == 1


def test_bad_json_is_a_whole_answer_that_says_nothing(
    caller: httpx.Client, sandbox: Sandbox
) -> None:
    sandbox.fault("bad-json")
    answer = pay(caller)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert len(sandbox.objects("payment")) == 1


def test_drip_arrives_whole_but_slowly(caller: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("drip", seconds=0.2)
    begun = time.monotonic()
    assert pay(caller).json()["status"] == "succeeded"
    assert time.monotonic() - begun >= 0.15


def test_delay_comes_before_the_work(caller: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("delay", seconds=0.2)
    begun = time.monotonic()
    assert pay(caller).json()["status"] == "succeeded"
    assert time.monotonic() - begun >= 0.19


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [("error-500", 500, "internal_error"), ("rate-limit", 429, "rate_limit_exceeded")],
)
def test_fault_before_the_work_leaves_nothing(
    caller: httpx.Client, sandbox: Sandbox, kind: str, status: int, code: str
) -> None:
    sandbox.fault(kind)
    answer = pay(caller)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert sandbox.objects("payment") == []
    assert ("Retry-After" in answer.headers) == (status == 429)


def test_connection_serves_on_after_a_fault(caller: httpx.Client, sandbox: Sandbox) -> None:
    for kind in ("lost-answer", "truncate"):
        sandbox.fault(kind)
        with pytest.raises(httpx.RemoteProtocolError):
            caller.get("/payments")
        assert caller.get("/payments").status_code == 200


def test_fault_strikes_as_often_as_told(client: httpx.Client, sandbox: Sandbox) -> None:
    sandbox.fault("error-500", times=2)
    assert [client.get("/payments").status_code for _ in range(3)] == [500, 500, 200]
    assert sandbox.faults() == []


@pytest.mark.parametrize(
    ("aim", "hit"),
    [
        ({}, True),
        ({"method": "POST"}, True),
        ({"method": "post"}, True),
        ({"method": "GET"}, False),
        ({"path": "/v1/payments"}, True),
        ({"path": "/v1/pay*"}, True),
        ({"path": "/payments"}, False),
        ({"path": "/v1/customers"}, False),
        ({"method": "GET", "path": "/v1/payments"}, False),
    ],
)
def test_fault_strikes_what_it_is_aimed_at(
    client: httpx.Client, sandbox: Sandbox, aim: dict[str, Any], hit: bool
) -> None:
    sandbox.fault("error-500", **aim)
    assert (pay(client).status_code == 500) is hit
    assert (sandbox.faults() == []) is hit


def test_request_asks_for_its_own_fault(client: httpx.Client, sandbox: Sandbox) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/customers", headers={"PaySafer-Sandbox-Fault": "lost-answer"})
    assert client.post("/customers").status_code == 200
    assert len(sandbox.objects("customer")) == 2


@pytest.mark.parametrize(
    "header",
    [
        "lost_answer",
        "delay; minutes=1",
        "delay; seconds=soon",
        "delay; seconds=-1",
        "duplicate-delivery",
        "delay; seconds=nan",
    ],
)
def test_unreadable_wish_is_refused(client: httpx.Client, header: str) -> None:
    answer = client.post("/customers", headers={"PaySafer-Sandbox-Fault": header})
    assert answer.json()["error"]["param"] == "PaySafer-Sandbox-Fault"


@pytest.mark.parametrize("kind", API_KINDS)
def test_log_names_the_fault(client: httpx.Client, sandbox: Sandbox, kind: str) -> None:
    sandbox.fault(kind, seconds=0)
    with suppress(httpx.RemoteProtocolError):
        client.get("/payments")
    assert sandbox.requests()[-1]["fault"] == kind


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"kind": "explode"}, "kind"),
        ({"kind": "delay", "seconds": -1}, "seconds"),
        ({"kind": "delay", "seconds": True}, "seconds"),
        ({"kind": "delay", "times": 0}, "times"),
    ],
)
def test_unknown_fault_is_refused(sandbox: Sandbox, order: dict[str, Any], param: str) -> None:
    arm: Callable[..., Any] = sandbox.fault
    with pytest.raises(ApiError) as caught:
        arm(**order)
    assert caught.value.param == param
