from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from ..conftest import pay, types
from ..shop import WEBHOOK

PAYMENTS = "/_sandbox/dashboard/payments"
ENDPOINTS = "/_sandbox/dashboard/endpoints"


@pytest.mark.parametrize(
    ("verb", "fields", "given", "status", "sums"),
    [
        ("refund", {}, {}, "succeeded", (15000, 15000)),
        ("refund", {}, {"amount": 500}, "succeeded", (15000, 500)),
        ("capture", {"capture_method": "manual"}, {"amount": 900}, "succeeded", (900, 0)),
        ("cancel", {"capture_method": "manual"}, {}, "canceled", (0, 0)),
    ],
)
def test_a_button_does_what_the_api_would(
    client: httpx.Client,
    dashboard: httpx.Client,
    verb: str,
    fields: dict[str, Any],
    given: dict[str, Any],
    status: str,
    sums: tuple[int, int],
) -> None:
    payment = pay(client, **fields).json()["id"]
    answer = dashboard.post(f"{PAYMENTS}/{payment}/{verb}", json=given).json()
    assert answer["status"] == status
    assert (answer["amount_received"], answer["amount_refunded"]) == sums


def test_a_click_makes_events_but_no_request_and_meets_no_fault(
    client: httpx.Client, dashboard: httpx.Client, sandbox: Sandbox
) -> None:
    payment = pay(client).json()["id"]
    sandbox.fault("lost-answer")
    dashboard.post(f"{PAYMENTS}/{payment}/refund", json={})
    assert types(sandbox)[-1] == "payment.refunded"
    assert len(sandbox.requests()) == 1
    assert len(sandbox.faults()) == 1


def test_what_the_state_machine_forbids_is_refused(
    client: httpx.Client, dashboard: httpx.Client
) -> None:
    payment = pay(client).json()["id"]
    answer = dashboard.post(f"{PAYMENTS}/{payment}/capture", json={})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "payment_unexpected_state")


def test_unknown_fields_and_payments_are_refused(
    client: httpx.Client, dashboard: httpx.Client
) -> None:
    payment = pay(client).json()["id"]
    bad = dashboard.post(f"{PAYMENTS}/{payment}/refund", json={"amonut": 1})
    gone = dashboard.post(f"{PAYMENTS}/pay_gone/refund", json={})
    assert (bad.status_code, gone.status_code) == (400, 404)


def test_an_endpoint_is_added_and_deleted(dashboard: httpx.Client, sandbox: Sandbox) -> None:
    made = dashboard.post(ENDPOINTS, json={"url": WEBHOOK, "account": "acmeshop1"}).json()
    assert made["secret"].startswith("whsec_")
    assert sandbox.objects("webhook_endpoint")[0]["account"] == "acmeshop1"
    dashboard.delete(f"{ENDPOINTS}/{made['id']}").raise_for_status()
    assert sandbox.objects("webhook_endpoint") == []


@pytest.mark.parametrize(
    "given",
    [
        {"url": WEBHOOK, "account": "short"},
        {"url": WEBHOOK},
        [],
        None,
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(dashboard: httpx.Client, given: Any) -> None:
    assert dashboard.post(ENDPOINTS, json=given).status_code == 400


def test_only_endpoints_are_deleted_as_endpoints(
    client: httpx.Client, dashboard: httpx.Client, sandbox: Sandbox
) -> None:
    payment = pay(client).json()["id"]
    assert dashboard.delete(f"{ENDPOINTS}/{payment}").status_code == 404
    assert len(sandbox.objects("payment")) == 1
