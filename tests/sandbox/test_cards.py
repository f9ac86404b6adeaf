from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

from .conftest import pay

CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}


def make_token(client: httpx.Client, **card: Any) -> dict[str, Any]:
    answer = client.post("/tokens", json={"card": CARD | card})
    token: dict[str, Any] = answer.raise_for_status().json()
    return token


def test_token_shows_the_cards_end_and_nothing_secret(client: httpx.Client) -> None:
    token = make_token(client, name="Amal Haddad")
    assert token["card"] == {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
    assert (token["object"], token["used"], token["livemode"]) == ("token", False, False)


def test_token_pays_once(client: httpx.Client) -> None:
    token = make_token(client)["id"]
    paid = pay(client, card=None, payment_method=token).json()
    assert (paid["status"], paid["payment_method"]) == ("succeeded", token)
    again = pay(client, card=None, payment_method=token)
    error = again.json()["error"]
    assert (again.status_code, error["code"], error["param"]) == (
        400,
        "parameter_invalid",
        "payment_method",
    )


def test_token_of_a_refused_call_is_still_good(client: httpx.Client) -> None:
    token = make_token(client)["id"]
    refused = pay(client, card=None, payment_method=token, customer="cus_nobody")
    assert refused.status_code == 400
    assert pay(client, card=None, payment_method=token).json()["status"] == "succeeded"


def test_declining_card_declines_through_its_token(client: httpx.Client) -> None:
    token = make_token(client, number="4000000000009995")["id"]
    answer = pay(client, card=None, payment_method=token)
    assert answer.json()["error"]["decline_code"] == "insufficient_funds"


def test_unknown_token_is_refused(client: httpx.Client) -> None:
    answer = pay(client, card=None, payment_method="tok_nothing")
    assert answer.json()["error"]["code"] == "resource_missing"


def test_real_card_is_refused_and_kept_nowhere(client: httpx.Client, sandbox: Sandbox) -> None:
    answer = client.post("/tokens", json={"card": CARD | {"number": "4111111111111111"}})
    assert answer.json()["error"]["param"] == "card[number]"
    assert "4111111111111111" not in answer.text + json.dumps(sandbox.requests())


@pytest.mark.parametrize(
    "body",
    [
        b'{"card": {"number": "4242424242424242"',
        b'{"number": "4242424242424242"}',
        b'{"payment_method": "4242424242424242"}',
        b'{"metadata": {"note": "card 4242424242424242, please"}}',
        b'{"amount": 4242424242424242}',
        b"number=4242424242424242",
    ],
)
def test_card_in_the_wrong_place_is_not_logged(
    client: httpx.Client, sandbox: Sandbox, body: bytes
) -> None:
    client.post("/tokens", content=body)
    assert "4242424242424242" not in json.dumps(sandbox.requests())


def test_request_log_holds_no_card_and_no_key(client: httpx.Client, sandbox: Sandbox) -> None:
    make_token(client)
    log = json.dumps(sandbox.requests())
    assert "4242424242424242" not in log
    assert '"123"' not in log
    assert "sk_test_acmeshop1" not in log
