from __future__ import annotations

import pickle
from typing import Any

import pytest

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.config import load_config
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


@pytest.mark.parametrize("cls", [PaySaferClient, AsyncPaySaferClient])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_client_is_not_pickled_for_it_holds_keys(cls: type[Any], protocol: int) -> None:
    client = cls(SECRET_KEY, publishable_key=PUBLISHABLE_KEY)
    for one in (client, client.with_options(timeout=3), client.payments):
        with pytest.raises(TypeError, match="holds keys and connections"):
            pickle.dumps(one, protocol)


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


def test_a_derived_client_differs_in_what_is_given_alone(client: Any, paysafer: Recorder) -> None:
    first = client.with_options(api_version="2026-01-15", headers={"X-Shop": "1"}, timeout=3.0)
    second = first.with_options(headers={"X-Trace": "2"}, max_retries=0, deadline=9.0)
    second.payments.retrieve("pay_1")
    client.payments.retrieve("pay_1")
    derived, original = (request.headers for request in paysafer.requests)
    assert (derived["paysafer-version"], derived["x-shop"], derived["x-trace"]) == (
        "2026-01-15",
        "1",
        "2",
    )
    assert not {"paysafer-version", "x-shop", "x-trace"} & {*original}
    assert tuple(second._settings.limits) == (3.0, 9.0, 0)
    assert tuple(client._settings.limits) == (10.0, 25.0, 2)


def test_the_defaults_are_those_of_the_settings() -> None:
    settings = load_config({}, {}, name="paysafer")
    ours = PaySaferClient(SECRET_KEY)._settings
    assert ours.base_url == settings.api_base
    assert tuple(ours.limits) == (settings.timeout, settings.deadline, settings.max_retries)
