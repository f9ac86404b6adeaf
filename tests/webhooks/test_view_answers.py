"""What the log, the signals and the inbox learn of a delivery."""

from __future__ import annotations

import json
import logging
import time
from typing import Any

import pytest
from flask import Flask

from flask_paysafer import ApiProfile, Webhook, signals, signing
from flask_paysafer.config import load_config
from flask_paysafer.errors import (
    ConfigurationError,
    InboxUnavailableError,
    SignatureVerificationError,
)

from .door_app import OLD_SECRET, PATH, SECRET, Door, event_body, sign


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize(
    ("secret", "label"),
    [(SECRET, signing.fingerprint(SECRET)), (OLD_SECRET, signing.fingerprint(OLD_SECRET))],
)
def test_the_secret_that_verified_is_kept_as_a_fingerprint(secret: str, label: str) -> None:
    door = Door(WEBHOOK_SECRET=[SECRET, OLD_SECRET])
    assert door.deliver(secret=secret).status_code == 200
    assert door.inbox.calls[0]["verified_with"] == label


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"secret": "whsec_someoneElse0000"}, "no configured secret made", "PAYSAFER_WEBHOOK_SECRET"),
    ({"age": 1000}, "older than the tolerance", "PAYSAFER_WEBHOOK_TOLERANCE"),
    ({"age": -1000}, "from the future", "this machine's clock"),
    ({"signature": "x"}, "not of the form", "PAYSAFER_SIGNATURE_SCHEME"),
    ({"content_type": "multipart/form-data"}, "the body is a form", "application/json"),
    ({"headers": {"Content-Encoding": "gzip"}}, "the body is compressed", "proxy"),
    ({"body": b"x" * 300_000}, "larger than 262144 bytes", "PAYSAFER_WEBHOOK_MAX_BYTES"),
    (
        {"body": b"", "headers": {"Transfer-Encoding": "chunked"}},
        "hands on no chunked bodies",
        "wsgi.input_terminated",
    ),
    ({"body": b"{}"}, "event", "flask paysafer events list --state quarantined"),
]


@pytest.mark.parametrize(("request_", "reason", "cure"), REFUSED)
def test_the_log_names_the_reason_and_what_to_check(
    door: Door,
    caplog: pytest.LogCaptureFixture,
    request_: dict[str, Any],
    reason: str,
    cure: str,
) -> None:
    door.deliver(**request_)
    record = caplog.records[-1]
    assert record.levelno == logging.WARNING
    assert reason in record.getMessage()
    assert cure in record.getMessage()
    assert not any(secret in caplog.text for secret in (SECRET, OLD_SECRET))


@pytest.mark.parametrize(("request_", "reason", "cure"), REFUSED)
def test_observers_learn_the_reason_and_the_status(
    door: Door, request_: dict[str, Any], reason: str, cure: str
) -> None:
    seen = []

    def receiver(sender: Flask, *, reason: str, status: int) -> None:
        seen.append((sender, reason, status))

    with signals.webhook_rejected.connected_to(receiver, door.app):
        response = door.deliver(**request_)
    ((sender, told, status),) = seen
    assert sender is door.app
    assert reason in told
    assert status == response.status_code


def test_other_settings_are_named_for_an_account_of_another_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    door = Door(name="paysafer_eu")
    door.deliver(secret=OLD_SECRET, path="/paysafer_eu/webhook")
    assert "PAYSAFER_EU_WEBHOOK_SECRET" in caplog.text


def test_the_expected_signature_is_never_logged(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = sign(event_body(), secret=OLD_SECRET)
    right = sign(event_body())
    door.deliver(signature=wrong)
    assert right[-64:] not in caplog.text
    assert wrong[-64:] not in caplog.text


def test_no_header_can_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def chatty(payload: bytes, signature: str | None, secret: str) -> bool:
        raise SignatureVerificationError(f"bad signature {signature}")

    door = Door(SIGNATURE_SCHEME=chatty)
    forged = "x\nERROR root: all is paid\r\x1b[2J\u2028" + "y" * 5000
    door.view.receive(b"{}", {"PaySafer-Signature": forged}, now=0)
    message = caplog.records[-1].getMessage()
    assert message.isprintable()
    assert len(message) < 600


def test_a_receiver_that_raises_changes_no_answer(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(sender: Flask, **values: Any) -> None:
        raise RuntimeError("observer is down")

    with signals.webhook_rejected.connected_to(broken, door.app):
        assert door.deliver(signature="x").status_code == 400
    assert "A receiver of the signal webhook-rejected failed." in caplog.text


def test_an_event_nobody_handles_is_announced_once_after_it_is_stored(door: Door) -> None:
    """The dispatcher announces those that it gets."""
    seen: list[tuple[str, int]] = []

    def receiver(sender: Flask, *, event: Any) -> None:
        seen.append((event.id, len(door.inbox.stored)))

    door.dispatcher.wanted = False
    with signals.event_received.connected_to(receiver, door.app):
        door.deliver()
        door.deliver()
    assert seen == [("evt_1", 1)]


def test_nothing_is_rejected_when_an_event_is_taken(door: Door) -> None:
    seen: list[str] = []

    def receiver(sender: Flask, *, reason: str, status: int) -> None:
        seen.append(reason)

    with signals.webhook_rejected.connected_to(receiver, door.app):
        door.deliver()
        door.inbox.error = InboxUnavailableError("locked")
        door.deliver()
    assert seen == []


def test_neither_inbox_nor_dispatcher_is_built_for_a_forgery(door: Door) -> None:
    del door.inbox, door.dispatcher  # to touch them is an AttributeError
    assert door.deliver(signature="x").status_code == 400
    assert door.client.get(PATH).status_code == 405


def test_a_missing_secret_is_said_at_start(caplog: pytest.LogCaptureFixture) -> None:
    Door(WEBHOOK_SECRET=None)
    assert "PAYSAFER_WEBHOOK_SECRET is not set: the webhook route answers 503" in caplog.text


def test_the_scheme_without_a_time_is_warned_of_at_start(caplog: pytest.LogCaptureFixture) -> None:
    Door(SIGNATURE_SCHEME="body")
    assert "replays are stopped by the inbox only" in caplog.text


def test_a_complete_setup_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    Door()
    assert caplog.records == []


def test_the_scheme_of_the_settings_is_the_one_that_is_used() -> None:
    door = Door(SIGNATURE_SCHEME="body")
    body = event_body()
    signature = Webhook.sign(body, SECRET, profile=ApiProfile().with_scheme("body"))
    assert door.deliver(body, signature=signature).status_code == 200
    assert door.deliver(body).status_code == 400


def test_the_tolerance_of_the_settings_is_the_one_that_is_used() -> None:
    door = Door(WEBHOOK_TOLERANCE=0)
    body, now = event_body(), int(time.time())
    headers = Webhook.signed_headers(body, SECRET, timestamp=now)
    assert door.view.receive(body, headers, now=now).status == 200
    assert door.view.receive(body, headers, now=now + 1).status == 400


class TestProfile:
    """Deliveries of an account whose profile differs."""

    def test_another_header_carries_the_signature(self) -> None:
        profile = {"headers": {"signature": "X-Signed"}}
        door, body = Door(API_PROFILE=profile), event_body()
        assert door.deliver(body).status_code == 400
        headers = Webhook.signed_headers(body, SECRET, profile=ApiProfile.from_mapping(profile))
        assert door.deliver(body, signature="x", headers=headers).status_code == 200

    def test_standard_webhooks_signs_two_more_headers(self) -> None:
        profile = ApiProfile.from_mapping({"webhooks": {"scheme": "standard-webhooks"}})
        door, body = Door(API_PROFILE=profile), event_body()
        headers = Webhook.signed_headers(body, SECRET, profile=profile)
        assert door.deliver(body, signature="", headers=headers).status_code == 200
        del headers["webhook-id"]
        assert door.deliver(body, signature="", headers=headers).status_code == 400

    def test_an_event_of_another_id_than_its_headers_is_set_aside(self) -> None:
        door, body = Door(SIGNATURE_SCHEME="standard-webhooks"), event_body()
        scheme = signing.get_scheme("standard-webhooks")
        headers = scheme.sign(body, SECRET, timestamp=int(time.time()), message_id="msg_1")
        assert door.deliver(body, signature="", headers=headers).status_code == 400
        assert len(door.inbox.quarantined) == 1

    def test_types_are_stored_in_our_words(self) -> None:
        profile = {
            "events": {"charge.paid": "payment.completed"},
            "webhooks": {"data": "data.object"},
        }
        door = Door(API_PROFILE=profile)
        event = {**json.loads(event_body()), "type": "charge.paid"}
        event["data"] = {"object": event["data"]}
        assert door.deliver(json.dumps(event).encode()).status_code == 200
        assert door.inbox.calls[0]["type"] == "payment.completed"

    def test_deliveries_that_are_not_signed_anew_are_taken_for_35_hours(self) -> None:
        door = Door(API_PROFILE={"webhooks": {"resigned_on_retry": False}})
        body, now = event_body(), int(time.time())
        headers = Webhook.signed_headers(body, SECRET, timestamp=now)
        assert door.view.receive(body, headers, now=now + 35 * 3600).status == 200
        assert door.view.receive(body, headers, now=now + 35 * 3600 + 1).status == 400

    def test_a_secret_that_is_no_base64_is_refused_at_start_where_the_scheme_needs_it(self) -> None:
        settings = {"PAYSAFER_SIGNATURE_SCHEME": "standard-webhooks"}
        for secret in ("whsec_not-base64-", [SECRET, "whsec_not-base64-"]):
            with pytest.raises(ConfigurationError) as caught:
                load_config({**settings, "PAYSAFER_WEBHOOK_SECRET": secret}, {})
            assert str(caught.value).startswith("PAYSAFER_WEBHOOK_SECRET can't be used: what it")
            assert "not-base64-" not in str(caught.value)
