from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer.client import PaySaferClient
from flask_paysafer.errors import ConfigurationError

from .driving import PUBLISHABLE_KEY, SECRET_KEY
from .recording import Recorder


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"secret_key": PUBLISHABLE_KEY}, "secret_key holds a publishable key"),
        ({"publishable_key": SECRET_KEY}, "publishable_key holds a secret key"),
        ({"secret_key": "sk_test_ x"}, "secret_key is not a secret key"),
        (
            {"secret_key": SECRET_KEY, "publishable_key": "pk_live_acmeshop1"},
            "secret_key and publishable_key are of different modes",
        ),
        ({"secret_key": SECRET_KEY, "base_url": "http://api.paysafer.me/v1"}, "base_url uses http"),
        ({"secret_key": SECRET_KEY, "base_url": "ftp://x"}, "base_url must begin with https"),
    ],
)
def test_keys_and_addresses_are_checked_as_the_settings_are(
    arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        PaySaferClient(**arguments)
    assert "acmeshop" not in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": 0},
        {"deadline": -1.0},
        {"max_retries": -1},
        {"api_version": "ä"},
        {"api_version": ""},
        {"rate_reserve": 1.0},
        {"rate_reserve": "x"},
        {"rate_reserve": True},
        {"hooks": [5]},
    ],
)
def test_a_client_s_settings_are_checked(arguments: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError)):
        PaySaferClient(SECRET_KEY, **arguments)


def test_tokens_go_out_with_the_publishable_key_and_nothing_else_does(
    client: Any, paysafer: Recorder
) -> None:
    client.tokens.create(card={"number": "4242424242424242", "exp_month": 1, "exp_year": 2030})
    client.payments.confirm("pay_1")
    assert [request.headers["authorization"] for request in paysafer.requests] == [
        f"Bearer {PUBLISHABLE_KEY}",
        f"Bearer {SECRET_KEY}",
    ]


def test_a_key_that_is_missing_is_named_before_anything_is_sent(paysafer: Recorder) -> None:
    transport = paysafer
    with pytest.raises(ConfigurationError) as caught:
        PaySaferClient(SECRET_KEY, transport=transport).tokens.create(
            card={"number": "4242424242424242", "exp_month": 1, "exp_year": 2030}
        )
    assert caught.value.message == (
        "POST /tokens needs the publishable key: give the client publishable_key=…, "
        "or set PAYSAFER_PUBLISHABLE_KEY."
    )
    with pytest.raises(ConfigurationError, match="needs the secret key"):
        PaySaferClient(publishable_key=PUBLISHABLE_KEY, transport=transport).payments.list()
    assert paysafer.requests == []
