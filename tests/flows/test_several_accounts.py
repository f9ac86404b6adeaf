"""Several accounts in one app, and test and live side by side: nothing of one reaches another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_paysafer import Webhook
from tests.flows.several_accounts import NAMES, Company
from tests.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    company = Company(tmp_path)
    with company.sandbox:
        yield company


def handled_by(company: Company) -> list[str]:
    return [name for name, _ in company.handled]


def settled(company: Company, deliveries: int) -> None:
    """Wait until the sandbox has delivered so many events."""
    wait_for(
        lambda: [d["status"] for d in company.sandbox.deliveries()] == ["delivered"] * deliveries,
        f"{deliveries} deliveries",
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_accounts_payment_reaches_its_own_handler_alone(company: Company, name: str) -> None:
    company.pay(name)

    settled(company, 2)
    assert handled_by(company) == [name]


def test_test_and_live_events_stay_apart(company: Company) -> None:
    test, live = company.pay("paysafer"), company.pay("paysafer_live")

    settled(company, 4)
    found = {name: (event.data.id, event.livemode) for name, event in company.handled}
    assert found == {"paysafer": (test, False), "paysafer_live": (live, True)}


@pytest.mark.parametrize("name", NAMES)
def test_each_account_sells_on_its_own_checkout(company: Company, name: str) -> None:
    assert company.check_out(name, "1234") == "/thanks"

    settled(company, 2)
    [(handler, event)] = company.handled
    assert handler == name
    assert event.data.metadata.paysafer_reference == "1234"
    assert event.data.currency == ("eur" if name == "paysafer_eu" else "aed")


def test_one_reference_is_paid_once_in_each_account(company: Company) -> None:
    for name in NAMES:
        company.check_out(name, "1234")

    settled(company, 6)
    assert sorted(handled_by(company)) == sorted(NAMES)


def test_one_accounts_secret_does_not_open_anothers_route(company: Company) -> None:
    body = json.dumps({"id": "evt_1", "type": "payment.completed", "created": 1, "data": {}})
    signature = Webhook.sign(body.encode(), company.app.config["PAYSAFER_WEBHOOK_SECRET"])

    answer = company.app.test_client().post(
        "/paysafer_eu/webhook",
        data=body,
        headers={"PaySafer-Signature": signature},
        content_type="application/json",
    )

    assert answer.status_code == 400


def test_the_same_event_id_is_another_event_in_another_account(company: Company) -> None:
    event = {"id": "evt_1", "type": "payment.completed", "created": 1, "data": {"id": "pay_1"}}
    body = json.dumps(event).encode()
    for name in NAMES:
        secret = company.app.config[f"{name.upper()}_WEBHOOK_SECRET"]
        answer = company.app.test_client().post(
            f"/{name}/webhook",
            data=body,
            headers={"PaySafer-Signature": Webhook.sign(body, secret)},
            content_type="application/json",
        )
        assert answer.json == {"received": True}

    assert sorted(handled_by(company)) == sorted(NAMES)


def run(company: Company, *arguments: str) -> str:
    result = company.app.test_cli_runner().invoke(args=["paysafer", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_commands_work_for_the_account_they_are_given(company: Company) -> None:
    payment = company.pay("paysafer_eu")
    settled(company, 2)

    eu = run(company, "--account", "paysafer_eu", "events", "list", "--json")
    default = run(company, "events", "list", "--json")
    endpoints = run(company, "--account", "paysafer_live", "endpoints", "list", "--json")
    reconciled = run(company, "--account", "paysafer_eu", "reconcile")

    assert payment in eu
    assert payment not in default
    assert [endpoint["livemode"] for endpoint in json.loads(endpoints)] == [True]
    assert "1 payment looked at: the inbox knows of all that happened." in reconciled


def test_an_account_that_is_not_there_is_named(company: Company) -> None:
    result = company.app.test_cli_runner().invoke(
        args=["paysafer", "--account", "paysafer_us", "endpoints", "list"]
    )

    assert result.exit_code == 1
    assert "no PaySafer account called 'paysafer_us'" in result.output
    assert "paysafer, paysafer_eu, paysafer_live" in result.output
