from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from flask_paysafer.config import Config, load_config
from flask_paysafer.errors import ConfigurationError

SECRET = "whsec_0123456789"
FERNET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def load(
    environ: dict[str, str] | None = None, *, testing: bool = False, **settings: Any
) -> Config:
    prefixed = {f"PAYSAFER_{key}": value for key, value in settings.items()}
    return load_config(prefixed, environ or {}, testing=testing)


def refusal(**settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**settings)
    return str(caught.value)


def test_without_settings_the_documented_defaults_stand() -> None:
    config = load()
    assert config == Config()
    assert config.api_base == "https://api.paysafer.me/v1"
    assert (config.webhook_tolerance, config.webhook_max_bytes) == (300, 262144)
    assert (config.lease, config.handler_max_attempts) == (300, 12)
    assert (config.handler_retry_base, config.sweep_interval) == (30.0, 30.0)
    assert (config.deadline, config.max_retries) == (25.0, 2)
    assert (config.dispatch, config.url_prefix) == ("inline", "/paysafer")


def test_app_config_comes_before_the_environment() -> None:
    environ = {"PAYSAFER_TIMEOUT": "7", "PAYSAFER_DEADLINE": "9"}
    config = load(environ, TIMEOUT=3)
    assert (config.timeout, config.deadline) == (3.0, 9.0)


def test_none_counts_as_not_set() -> None:
    assert load({"PAYSAFER_TIMEOUT": "7"}, TIMEOUT=None).timeout == 7.0
    assert load(WEBHOOK_SECRET=None).webhook_secrets == ()


def test_the_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().timeout = 1.0  # type: ignore[misc]


def test_repr_holds_no_secret() -> None:
    config = load(
        SECRET_KEY="sk_test_acmeshop1",
        PUBLISHABLE_KEY="pk_test_acmeshop1",
        WEBHOOK_SECRET=SECRET,
        INBOX_ENCRYPTION_KEY=FERNET,
        INBOX_URL="postgresql://user:hunter2@db/shop",
    )
    text = repr(config)
    for secret in ("acmeshop1", SECRET, FERNET, "hunter2"):
        assert secret not in text


@pytest.mark.parametrize(
    ("given", "secrets"),
    [
        (SECRET, (SECRET,)),
        (f"{SECRET} ,  {SECRET}x", (SECRET, f"{SECRET}x")),
        ([SECRET, f"{SECRET}x"], (SECRET, f"{SECRET}x")),
        ((SECRET,), (SECRET,)),
    ],
)
def test_webhook_secrets_are_one_or_several(given: object, secrets: tuple[str, ...]) -> None:
    assert load(WEBHOOK_SECRET=given).webhook_secrets == secrets


@pytest.mark.parametrize(
    "given",
    [
        "",
        " ",
        ",",
        [],
        [""],
        f" {SECRET}",
        f"{SECRET} ",
        f"{SECRET},",
        [f" {SECRET}"],
        [f"{SECRET},{SECRET}"],
        [SECRET, None],
        "whsec_",
        "whsec_short",
        'whsec_"0123456789"',
        "whsec_0123456789é",
        "whsec_01234\n56789",
        "sk_test_0123456789",
        b"whsec_0123456789",
        17,
        {SECRET},
    ],
)
def test_a_bad_webhook_secret_is_refused_without_being_shown(given: object) -> None:
    message = refusal(WEBHOOK_SECRET=given)
    assert message.startswith("PAYSAFER_WEBHOOK_SECRET")
    assert "0123456789" not in message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"SECRET_KEY": "pk_test_acmeshop1"}, "PAYSAFER_SECRET_KEY holds a publishable key"),
        ({"PUBLISHABLE_KEY": "sk_test_acmeshop1"}, "PAYSAFER_PUBLISHABLE_KEY holds a secret key"),
        ({"SECRET_KEY": "acmeshop1"}, "PAYSAFER_SECRET_KEY is not a secret key"),
        ({"SECRET_KEY": ""}, "PAYSAFER_SECRET_KEY is not a secret key"),
        ({"SECRET_KEY": "sk_test_acme shop"}, "PAYSAFER_SECRET_KEY is not a secret key"),
        ({"SECRET_KEY": 3}, "PAYSAFER_SECRET_KEY must be a secret key"),
        (
            {"SECRET_KEY": "sk_live_acmeshop1", "PUBLISHABLE_KEY": "pk_test_acmeshop1"},
            "PAYSAFER_SECRET_KEY and PAYSAFER_PUBLISHABLE_KEY are of different modes",
        ),
        ({"API_BASE": "http://api.paysafer.me/v1"}, "PAYSAFER_API_BASE uses http://"),
        ({"API_BASE": "http://localhost.evil.example/v1"}, "PAYSAFER_API_BASE uses http://"),
        ({"API_BASE": "ftp://127.0.0.1"}, "PAYSAFER_API_BASE must begin with https://"),
        ({"API_BASE": "https://u:p@x.example/v1"}, "PAYSAFER_API_BASE must hold no user"),
        ({"API_BASE": "https://[::1"}, "PAYSAFER_API_BASE is not a URL"),
        ({"API_BASE": 5}, "PAYSAFER_API_BASE must be a URL"),
        ({"API_VERSION": ""}, "PAYSAFER_API_VERSION must be plain text"),
        ({"API_VERSION": "2026\r\nX: y"}, "PAYSAFER_API_VERSION must be plain text"),
        ({"TIMEOUT": 0}, "PAYSAFER_TIMEOUT must be a number of seconds"),
        ({"TIMEOUT": "soon"}, "PAYSAFER_TIMEOUT must be a number of seconds"),
        ({"TIMEOUT": True}, "PAYSAFER_TIMEOUT must be a number of seconds"),
        ({"DEADLINE": "nan"}, "PAYSAFER_DEADLINE must be a number of seconds"),
        ({"DEADLINE": "inf"}, "PAYSAFER_DEADLINE must be a number of seconds"),
        ({"DEADLINE": 10**400}, "PAYSAFER_DEADLINE must be a number of seconds"),
        ({"MAX_RETRIES": -1}, "PAYSAFER_MAX_RETRIES must be a number of retries"),
        ({"MAX_RETRIES": 1.5}, "PAYSAFER_MAX_RETRIES must be a whole number"),
        ({"WEBHOOK_TOLERANCE": -1}, "PAYSAFER_WEBHOOK_TOLERANCE must be a number of seconds"),
        ({"WEBHOOK_MAX_BYTES": 0}, "PAYSAFER_WEBHOOK_MAX_BYTES must be a number of bytes"),
        ({"URL_PREFIX": "paysafer"}, "PAYSAFER_URL_PREFIX must be a path"),
        ({"URL_PREFIX": "/<pay>"}, "PAYSAFER_URL_PREFIX must be a path"),
        ({"SIGNATURE_SCHEME": "sha1"}, "PAYSAFER_SIGNATURE_SCHEME"),
        ({"SIGNATURE_SCHEME": 5}, "PAYSAFER_SIGNATURE_SCHEME"),
        ({"INBOX_URL": "inbox.db"}, "PAYSAFER_INBOX_URL must be an SQLAlchemy URL"),
        ({"INBOX_URL": "postgres://db/shop"}, "PAYSAFER_INBOX_URL must be an SQLAlchemy URL"),
        ({"INBOX_URL": "oracle://db/shop"}, "PAYSAFER_INBOX_URL must be an SQLAlchemy URL"),
        ({"INBOX_ENCRYPTION_KEY": "abc"}, "PAYSAFER_INBOX_ENCRYPTION_KEY must hold Fernet keys"),
        ({"DISPATCH": "thread"}, 'PAYSAFER_DISPATCH must be "inline" or "celery"'),
        ({"WEBHOOK_ALLOWED_NETWORKS": "here"}, "PAYSAFER_WEBHOOK_ALLOWED_NETWORKS must hold"),
        ({"LEASE": 0}, "PAYSAFER_LEASE must be a number of seconds, 1 or more"),
        ({"HANDLER_MAX_ATTEMPTS": 0}, "PAYSAFER_HANDLER_MAX_ATTEMPTS must be a number"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict[str, Any], message: str) -> None:
    found = refusal(**settings)
    assert found.startswith(message)
    assert "acmeshop1" not in found


def test_a_live_key_is_refused_while_testing() -> None:
    with pytest.raises(ConfigurationError, match="PAYSAFER_SECRET_KEY is a live key while TESTING"):
        load(SECRET_KEY="sk_live_acmeshop1", testing=True)
    assert load(SECRET_KEY="sk_live_acmeshop1").mode == "live"


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.paysafer.me/v1/", "https://api.paysafer.me/v1"),
        ("http://127.0.0.1:4242/v1", "http://127.0.0.1:4242/v1"),
        ("http://localhost:4242/v1", "http://localhost:4242/v1"),
        ("http://[::1]:4242/v1", "http://[::1]:4242/v1"),
    ],
)
def test_http_is_for_loopback(given: str, base: str) -> None:
    assert load(API_BASE=given).api_base == base


def test_numbers_may_come_as_text_from_the_environment() -> None:
    environ = {"PAYSAFER_MAX_RETRIES": "4", "PAYSAFER_WEBHOOK_TOLERANCE": "0"}
    config = load(environ)
    assert (config.max_retries, config.webhook_tolerance) == (4, 0)


def test_a_second_account_reads_its_own_settings() -> None:
    settings = {"PAYSAFER_TIMEOUT": 3, "PAYSAFER_EU_TIMEOUT": 4}
    config = load_config(settings, {}, name="paysafer_eu")
    assert (config.timeout, config.url_prefix) == (4.0, "/paysafer_eu")
    assert config.setting("SECRET_KEY") == "PAYSAFER_EU_SECRET_KEY"


@pytest.mark.parametrize("name", ["", "PaySafer", "eu-west", "1eu"])
def test_an_unusable_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="name must be lower-case"):
        load_config({}, {}, name=name)


def test_several_encryption_keys_and_networks() -> None:
    config = load(
        INBOX_ENCRYPTION_KEY=f"{FERNET},{FERNET}",
        WEBHOOK_ALLOWED_NETWORKS="203.0.113.0/24, 2001:db8::/32",
    )
    assert config.inbox_encryption_keys == (FERNET, FERNET)
    assert [str(network) for network in config.webhook_allowed_networks] == [
        "203.0.113.0/24",
        "2001:db8::/32",
    ]
