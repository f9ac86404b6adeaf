"""Saved cards: kept for one customer, charged again while the customer is there or away."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.cards import BY_NAME

from .conftest import pay, types

DAY = 24 * 3600


@pytest.fixture
def customer(client: httpx.Client) -> str:
    return str(client.post("/customers", json={"name": "Amal"}).json()["id"])


def token_of(client: httpx.Client, card: str, exp_year: int = 2040) -> str:
    fields = {"number": BY_NAME[card].number, "exp_month": 12, "exp_year": exp_year, "cvc": "123"}
    return str(client.post("/tokens", json={"card": fields}).json()["id"])


def save(
    client: httpx.Client, customer: str, card: str = "visa", exp_year: int = 2040, **fields: Any
) -> dict[str, Any]:
    """Pay with a card that is to be saved, and return the payment."""
    saving = {"customer": customer, "save_payment_method": True}
    method = token_of(client, card, exp_year)
    payment: dict[str, Any] = pay(client, None, payment_method=method, **saving, **fields).json()
    return payment


def saved(client: httpx.Client, customer: str, card: str = "visa", exp_year: int = 2040) -> str:
    """Return the id of a new saved card, after a challenge if the bank asks."""
    payment = save(client, customer, card, exp_year)
    if payment["status"] == "requires_action":
        client.post(payment["next_action"]["redirect_to_url"]["url"], data={"result": "pass"})
        payment = client.get(f"/payments/{payment['id']}").json()
    assert payment["status"] == "succeeded"
    return str(payment["payment_method"])


def charge(client: httpx.Client, method: str, customer: str, **fields: Any) -> httpx.Response:
    return pay(client, None, payment_method=method, customer=customer, **fields)


def declined(answer: httpx.Response) -> tuple[int, str, str]:
    error = answer.json()["error"]
    assert error["payment"]["failure_reason"] == error["decline_code"]
    return answer.status_code, error["code"], error["decline_code"]


def test_saved_card_is_described_and_works_again_and_again(
    client: httpx.Client, customer: str
) -> None:
    payment = save(client, customer)
    method = payment["payment_method"]
    assert method.startswith("pm_")
    assert payment["payment_method_details"] == {
        "card": {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}
    }
    for off_session in (True, False, True):
        again = charge(client, method, customer, off_session=off_session).json()
        assert (again["status"], again["payment_method"]) == ("succeeded", method)


def test_same_card_saved_twice_is_two(client: httpx.Client, customer: str) -> None:
    assert saved(client, customer) != saved(client, customer)


def test_card_is_saved_by_an_authorisation_too(client: httpx.Client, customer: str) -> None:
    payment = save(client, customer, capture_method="manual")
    assert payment["status"] == "requires_capture"
    assert payment["payment_method"].startswith("pm_")


def test_declined_card_is_not_saved(client: httpx.Client, sandbox: Sandbox, customer: str) -> None:
    payment = save(client, customer, "chargeDeclined")["error"]["payment"]
    assert payment["payment_method"].startswith("tok_")
    assert sandbox.objects("payment_method") == []


def test_challenged_card_is_saved_once_the_challenge_is_passed(
    client: httpx.Client, sandbox: Sandbox, customer: str
) -> None:
    payment = save(client, customer, "attachThenAuthenticate")
    assert (payment["status"], sandbox.objects("payment_method")) == ("requires_action", [])
    decided = sandbox.authenticate(payment["id"])
    assert decided["payment_method"] == sandbox.objects("payment_method")[0]["id"]


def test_card_is_saved_by_a_later_confirm(client: httpx.Client, customer: str) -> None:
    waiting = pay(client, None, customer=customer, save_payment_method=True).json()
    confirmed = client.post(
        f"/payments/{waiting['id']}/confirm", json={"payment_method": token_of(client, "visa")}
    ).json()
    assert confirmed["payment_method"].startswith("pm_")


@pytest.mark.parametrize("fields", [{}, {"payment_method": "pm_card_visa"}])
def test_saving_needs_a_customer_and_a_token(
    client: httpx.Client, customer: str, fields: dict[str, Any]
) -> None:
    given = {"customer": customer} if fields else {"payment_method": token_of(client, "visa")}
    answer = pay(client, None, save_payment_method=True, **given, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "parameter_invalid",
        "save_payment_method",
    )


@pytest.mark.parametrize("whose", ["another", "none", "deleted"])
def test_saved_card_is_its_customers_alone(client: httpx.Client, customer: str, whose: str) -> None:
    method = saved(client, customer)
    fields: dict[str, Any] = {"payment_method": method}
    if whose == "another":
        fields["customer"] = client.post("/customers", json={}).json()["id"]
    if whose == "deleted":
        client.delete(f"/customers/{customer}")
    answer = pay(client, None, **fields)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (
        400,
        "resource_missing",
        "payment_method",
    )


def test_cards_go_with_their_customer(
    client: httpx.Client, sandbox: Sandbox, customer: str
) -> None:
    other = client.post("/customers", json={}).json()["id"]
    saved(client, customer)
    kept = saved(client, other)
    client.delete(f"/customers/{customer}")
    assert [card["id"] for card in sandbox.objects("payment_method")] == [kept]


@pytest.mark.parametrize("off_session", [True, False])
def test_saved_card_expires_on_the_virtual_clock(
    client: httpx.Client, sandbox: Sandbox, customer: str, off_session: bool
) -> None:
    year = datetime.fromtimestamp(sandbox.clock()["now"], UTC).year
    method = saved(client, customer, exp_year=year)
    assert charge(client, method, customer, off_session=off_session).status_code == 200
    sandbox.advance(366 * DAY)
    answer = charge(client, method, customer, off_session=off_session)
    assert declined(answer) == (402, "expired_card", "expired_card")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("attachThenDecline", "card_declined", "insufficient_funds"),
        ("attachThenLost", "card_declined", "lost_card"),
    ],
)
def test_cards_that_decline_once_the_customer_is_away(
    client: httpx.Client, customer: str, card: str, code: str, decline_code: str
) -> None:
    method = saved(client, customer, card)
    for _ in range(3):
        answer = charge(client, method, customer, off_session=True)
        assert declined(answer) == (402, code, decline_code)
        assert answer.json()["error"]["payment"]["status"] == "failed"
    assert charge(client, method, customer).json()["status"] == "succeeded"


def test_funds_come_later_for_each_saved_card(client: httpx.Client, customer: str) -> None:
    for _ in range(2):
        method = saved(client, customer, "fundsLater")
        assert charge(client, method, customer).status_code == 200  # the customer is there
        answers = [charge(client, method, customer, off_session=True) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [402, 402, 200, 200]
        assert declined(answers[0]) == (402, "card_declined", "insufficient_funds")


@pytest.mark.parametrize("card", ["attachThenAuthenticate", "authenticationRequired"])
def test_bank_that_asks_declines_while_the_customer_is_away(
    client: httpx.Client, sandbox: Sandbox, customer: str, card: str
) -> None:
    method = saved(client, customer, card)
    before = len(types(sandbox))
    answer = charge(client, method, customer, off_session=True)
    assert declined(answer) == (402, "authentication_required", "authentication_required")
    payment = answer.json()["error"]["payment"]
    assert payment["status"] == "requires_payment_method"
    assert types(sandbox)[before:] == ["payment.created", "payment.failed"]


def test_declined_renewal_is_confirmed_by_the_customer(client: httpx.Client, customer: str) -> None:
    method = saved(client, customer, "attachThenAuthenticate")
    answer = charge(client, method, customer, off_session=True)
    payment = answer.json()["error"]["payment"]["id"]
    confirmed = client.post(f"/payments/{payment}/confirm").json()
    assert (confirmed["status"], "failure_reason" in confirmed) == ("succeeded", False)


def test_bank_asks_a_saved_card_once_only_where_the_card_says_so(
    client: httpx.Client, customer: str
) -> None:
    once = charge(client, saved(client, customer, "attachThenAuthenticate"), customer)
    always = charge(client, saved(client, customer, "authenticationRequired"), customer)
    assert once.json()["status"] == "succeeded"
    assert always.json()["status"] == "requires_action"


def test_a_test_card_by_name_needs_no_customer_when_away(client: httpx.Client) -> None:
    assert pay(client, "visa", off_session=True).json()["status"] == "succeeded"
    assert pay(client, "attachThenDecline", off_session=True).status_code == 402


def test_expired_card_of_a_form_is_declined(client: httpx.Client) -> None:
    answer = pay(client, None, payment_method=token_of(client, "visa", exp_year=2020))
    assert declined(answer)[1] == "expired_card"
