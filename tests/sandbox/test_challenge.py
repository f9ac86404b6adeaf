from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import ApiError, Sandbox

from .conftest import pay, types

BACK = "http://127.0.0.1:5000/paysafer/checkout/1234"


@pytest.fixture
def browser(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(transport=sandbox.transport()) as client:
        yield client


def challenge(client: httpx.Client, **fields: Any) -> tuple[str, str]:
    """Return the payment's id, and the page's address."""
    payment = pay(client, **{"card": "authenticationRequired", "return_url": BACK} | fields).json()
    action = payment["next_action"]
    assert (payment["status"], action["type"]) == ("requires_action", "redirect_to_url")
    assert action["redirect_to_url"]["return_url"] == fields.get("return_url", BACK)
    return payment["id"], action["redirect_to_url"]["url"]


@pytest.mark.parametrize(
    ("card", "fields", "result", "status", "last"),
    [
        ("authenticationRequired", {}, "pass", "succeeded", "payment.completed"),
        (
            "authenticationRequired",
            {"capture_method": "manual"},
            "pass",
            "requires_capture",
            "payment.created",
        ),
        ("threeDSecureRequiredChargeDeclined", {}, "pass", "failed", "payment.failed"),
        ("authenticationRequired", {}, "refuse", "failed", "payment.failed"),
    ],
)
def test_answer_decides_and_the_browser_goes_back(
    client: httpx.Client,
    sandbox: Sandbox,
    browser: httpx.Client,
    card: str,
    fields: dict[str, Any],
    result: str,
    status: str,
    last: str,
) -> None:
    payment_id, page = challenge(client, card=card, **fields)
    assert types(sandbox) == ["payment.created"]
    answer = browser.post(page, data={"result": result})
    assert (answer.status_code, answer.headers["Location"]) == (303, BACK)
    payment = client.get(f"/payments/{payment_id}").json()
    assert payment["status"] == status
    assert "next_action" not in payment
    assert ("failure_reason" in payment) is (status == "failed")
    assert types(sandbox)[-1] == last


def test_page_has_two_plain_forms(client: httpx.Client, browser: httpx.Client) -> None:
    _, page = challenge(client)
    html = browser.get(page).text
    assert html.count('<form method="post"') == 2
    assert html.count(f'action="{httpx.URL(page).path}"') == 2
    assert "<script" not in html


def test_page_says_what_is_paid_for_as_text(client: httpx.Client, browser: httpx.Client) -> None:
    payment = pay(
        client, "authenticationRequired", currency="kwd", description="<b>Coffee</b>"
    ).json()
    html = browser.get(payment["next_action"]["redirect_to_url"]["url"]).text
    assert "KWD 15.000" in html
    assert "&lt;b&gt;Coffee&lt;/b&gt;" in html


def test_second_answer_changes_nothing(
    client: httpx.Client, sandbox: Sandbox, browser: httpx.Client
) -> None:
    payment_id, page = challenge(client)
    browser.post(page, data={"result": "refuse"})
    again = browser.post(page, data={"result": "pass"})
    assert again.headers["Location"] == BACK
    assert client.get(f"/payments/{payment_id}").json()["status"] == "failed"
    assert types(sandbox) == ["payment.created", "payment.failed"]


def test_page_of_an_earlier_attempt_decides_no_later_one(
    client: httpx.Client, browser: httpx.Client
) -> None:
    payment_id, first = challenge(client)
    browser.post(first, data={"result": "refuse"})
    confirmed = client.post(f"/payments/{payment_id}/confirm").json()
    assert confirmed["status"] == "requires_action"
    browser.post(first, data={"result": "pass"})
    assert client.get(f"/payments/{payment_id}").json()["status"] == "requires_action"
    second = confirmed["next_action"]["redirect_to_url"]["url"]
    browser.post(second, data={"result": "pass"})
    assert client.get(f"/payments/{payment_id}").json()["status"] == "succeeded"


@pytest.mark.parametrize(("passed", "status"), [(True, "succeeded"), (False, "failed")])
def test_cardholder_answers_from_python_too(
    client: httpx.Client, sandbox: Sandbox, passed: bool, status: str
) -> None:
    payment_id, _ = challenge(client)
    decided = sandbox.authenticate(payment_id, passed=passed)
    assert decided == client.get(f"/payments/{payment_id}").json()
    assert decided["status"] == status
    with pytest.raises(ApiError) as caught:
        sandbox.authenticate(payment_id)
    assert (caught.value.status, caught.value.code) == (422, "payment_unexpected_state")
    with pytest.raises(ApiError, match="No such payment: pay_nobody"):
        sandbox.authenticate("pay_nobody")


def test_answer_without_a_way_back_stays_on_the_page(
    client: httpx.Client, browser: httpx.Client
) -> None:
    payment = pay(client, "authenticationRequired").json()
    action = payment["next_action"]["redirect_to_url"]
    assert action["return_url"] is None
    answer = browser.post(action["url"], data={"result": "pass"})
    assert (answer.status_code, "succeeded" in answer.text) == (200, True)


def test_confirm_brings_its_own_way_back(client: httpx.Client) -> None:
    payment_id = pay(client, "authenticationRequired", confirm=False).json()["id"]
    confirmed = client.post(f"/payments/{payment_id}/confirm", json={"return_url": BACK}).json()
    assert confirmed["next_action"]["redirect_to_url"]["return_url"] == BACK


def test_nonsense_is_refused(client: httpx.Client, browser: httpx.Client) -> None:
    _, page = challenge(client)
    assert browser.post(page, data={"result": "maybe"}).status_code == 400
    assert browser.post(page).status_code == 400
    assert browser.get(f"{page}x").status_code == 404


def test_page_stands_where_the_sandbox_is_served(client: httpx.Client, sandbox: Sandbox) -> None:
    with sandbox.serve() as served:
        _, page = challenge(client)
        assert page.startswith(f"{served.url}/challenge/")
        assert httpx.get(page).status_code == 200


@pytest.mark.parametrize(
    ("header", "language", "direction", "button"),
    [
        ("ar-AE,ar;q=0.9,en;q=0.8", "ar", "rtl", "موافقة"),
        ("en-GB", "en", "ltr", "Approve"),
        ("fr", "en", "ltr", "Approve"),
        ("", "en", "ltr", "Approve"),
    ],
)
def test_page_speaks_the_customers_language(
    client: httpx.Client,
    browser: httpx.Client,
    header: str,
    language: str,
    direction: str,
    button: str,
) -> None:
    _, page = challenge(client)
    html = browser.get(page, headers={"Accept-Language": header}).text
    assert f'<html lang="{language}" dir="{direction}">' in html
    assert f">{button}</button>" in html
