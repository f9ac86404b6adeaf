from __future__ import annotations

import json
from typing import Any

import pytest

from flask_paysafer.errors import (
    ConfigurationError,
    InvalidPayloadError,
    SignatureVerificationError,
)
from flask_paysafer.webhooks.verification import Webhook

from .door_app import OLD_SECRET, SECRET, event_body

NOW = 1_709_472_000


def test_returns_the_event() -> None:
    body = event_body()
    event = Webhook.verify(body, Webhook.sign(body, SECRET, timestamp=NOW), SECRET, now=NOW)
    assert (event.id, event.type, event.data.amount) == ("evt_1", "payment.completed", 15000)


def test_signs_and_verifies_with_the_clock_by_default() -> None:
    body = event_body()
    assert Webhook.verify(body, Webhook.sign(body, SECRET), [OLD_SECRET, SECRET]).id == "evt_1"


@pytest.mark.parametrize("payload", [b"", b"x", b"[1]", b'{"id": "evt_1"}', b"\xff"])
def test_authentic_bytes_that_are_no_event_are_an_invalid_payload(payload: bytes) -> None:
    with pytest.raises(InvalidPayloadError):
        Webhook.verify(payload, Webhook.sign(payload, SECRET), SECRET)


def test_bytes_are_not_read_before_they_are_authentic() -> None:
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(b"[" * 1_000_000, "t=1,v1=" + "0" * 64, SECRET)


@pytest.mark.parametrize("payload", [event_body().decode(), json.loads(event_body()), None])
def test_a_payload_that_is_not_bytes_is_a_type_error(payload: Any) -> None:
    with pytest.raises(TypeError, match="raw bytes"):
        Webhook.verify(payload, "t=1,v1=x", SECRET)


@pytest.mark.parametrize("signature", [b"t=1,v1=x", 5, ["t=1"], object()])
def test_a_signature_that_is_no_text_is_refused(signature: Any) -> None:
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(event_body(), signature, SECRET)


@pytest.mark.parametrize("now", [float("nan"), float("inf"), "now", True, [], 10**400])
@pytest.mark.parametrize("name", ["now", "tolerance"])
def test_a_time_that_can_not_be_compared_is_refused(name: str, now: Any) -> None:
    with pytest.raises(SignatureVerificationError) as caught:
        Webhook.verify(event_body(), Webhook.sign(event_body(), SECRET), SECRET, **{name: now})
    assert caught.value.code == "check_unusable"


def test_a_merchants_scheme_decides() -> None:
    body = event_body()
    assert Webhook.verify(body, "ok", SECRET, scheme=lambda *_: True).id == "evt_1"
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(body, "ok", SECRET, scheme=lambda *_: False)


def test_signing_refuses_an_unusable_secret() -> None:
    with pytest.raises(ConfigurationError, match="it does not start with whsec_"):
        Webhook.sign(b"{}", "secret")
