"""``body-base64`` and ``standard-webhooks``: strict, and agreeing with the package of that name."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
import standardwebhooks

from flask_paysafer import ApiProfile, Webhook, signing
from flask_paysafer.errors import (
    ConfigurationError,
    InvalidPayloadError,
    SignatureVerificationError,
)

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD_SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
NOW = 1_709_472_000
STANDARD = ApiProfile.from_mapping({"webhooks": {"scheme": "standard-webhooks"}})
BASE64 = ApiProfile.from_mapping({"webhooks": {"scheme": "body-base64"}})


def event(event_id: str = "evt_1", **data: Any) -> bytes:
    fields = {
        "id": event_id,
        "object": "event",
        "type": "payment.completed",
        "created": NOW,
        "data": {"id": "pay_1", "object": "payment", "description": "قهوة", **data},
    }
    return json.dumps(fields, ensure_ascii=False).encode()


BODY = event()


def headers_of(body: bytes = BODY, *, age: int = 0, **changes: str | None) -> dict[str, str]:
    """Return the headers of a genuine delivery, changed where a test wants it."""
    made = Webhook.signed_headers(body, SECRET, timestamp=NOW - age, profile=STANDARD)
    for name, value in changes.items():
        made.pop(f"webhook-{name}")
        if value is not None:
            made[f"webhook-{name}"] = value
    return made


def verify(body: bytes, headers: Any, secret: Any = SECRET, **options: Any) -> str:
    signature = headers.get("webhook-signature") if hasattr(headers, "get") else "v1,x"
    given = {"now": NOW, "profile": STANDARD, "headers": headers, **options}
    return Webhook.verify(body, signature, secret, **given).id


def code_of(body: bytes, headers: Any, secret: Any = SECRET, **options: Any) -> str | None:
    with pytest.raises(SignatureVerificationError) as caught:
        verify(body, headers, secret, **options)
    assert "MfKQ9r8G" not in repr(caught.value)
    return caught.value.code


class TestAgainstThePackage:
    """PyPI's ``standardwebhooks``, both ways."""

    moment = int(datetime.now(UTC).timestamp())

    @pytest.mark.parametrize("body", [BODY, event(description="x" * 65_536), b'{"id": "evt_1"}'])
    def test_it_accepts_what_we_sign(self, body: bytes) -> None:
        made = Webhook.signed_headers(body, SECRET, timestamp=self.moment, profile=STANDARD)
        assert standardwebhooks.Webhook(SECRET).verify(body, made) == json.loads(body)

    @pytest.mark.parametrize("secret", [SECRET, SECRET + "AAE=", SECRET + "AAE", OLD_SECRET])
    def test_we_accept_what_it_signs(self, secret: str) -> None:
        at = datetime.fromtimestamp(NOW, UTC)
        signature = standardwebhooks.Webhook(secret).sign("evt_1", at, BODY.decode())
        made = {
            "Webhook-Id": "evt_1",
            "Webhook-Timestamp": str(NOW),
            "Webhook-Signature": signature,
        }
        found = Webhook.verify(
            BODY, signature, [OLD_SECRET, secret], now=NOW, headers=made, profile=STANDARD
        )
        assert found.id == "evt_1"

    def test_it_refuses_what_we_refuse(self) -> None:
        made = Webhook.signed_headers(BODY, SECRET, timestamp=self.moment, profile=STANDARD)
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(BODY + b" ", made)
        assert code_of(BODY + b" ", made, now=self.moment) == "signature_mismatch"


class TestStandard:
    """``standard-webhooks``."""

    def test_the_genuine_is_taken_up_to_the_tolerance(self) -> None:
        assert verify(BODY, headers_of(age=300)) == "evt_1"
        assert code_of(BODY, headers_of(age=301)) == "timestamp_too_old"
        assert verify(BODY, headers_of(age=-60)) == "evt_1"
        assert code_of(BODY, headers_of(age=-61)) == "timestamp_in_future"
        assert code_of(BODY, headers_of(age=1), tolerance=0) == "timestamp_too_old"

    def test_headers_are_found_in_any_case(self) -> None:
        made = {name.title(): value for name, value in headers_of().items()}
        signature = made["Webhook-Signature"]
        assert Webhook.verify(BODY, signature, SECRET, now=NOW, headers=made, profile=STANDARD)

    def test_the_scheme_alone_has_the_usual_headers(self) -> None:
        made = headers_of()
        found = Webhook.verify(
            BODY,
            made["webhook-signature"],
            SECRET,
            now=NOW,
            scheme="standard-webhooks",
            headers=made,
        )
        assert found.id == "evt_1"

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": None},
            {"id": ""},
            {"id": "evt 1"},
            {"id": "evt.1"},
            {"id": "é"},
            {"id": "x" * 256},
            {"timestamp": None},
            {"timestamp": ""},
            {"timestamp": f"{NOW}.0"},
            {"timestamp": f" {NOW}"},
            {"timestamp": f"-{NOW}"},
            {"timestamp": "1e9"},
            {"timestamp": "٣"},
            {"timestamp": "9" * 13},
            {"signature": ""},
            {"signature": "v1"},
            {"signature": "v1,"},
            {"signature": "v1," + "A" * 42 + "=="},
            {"signature": "v1," + "_" * 43 + "="},
            {"signature": "v1a," + "A" * 43 + "="},
            {"signature": "v2,x"},
            {"signature": "x" * 2049},
        ],
    )
    def test_headers_of_another_form_are_refused(self, changes: Any) -> None:
        assert code_of(BODY, headers_of(**changes)) == "header_malformed"

    @pytest.mark.parametrize(
        "change",
        [
            lambda one: f"{one} {one} ",
            lambda one: f" {one}",
            lambda one: f"{one}  {one}",
            lambda one: f"{one},{one}",
            lambda one: f"{one}\n",
            lambda one: " ".join([one] * 9),
            lambda one: one.upper(),
        ],
    )
    def test_a_signature_that_another_reader_could_split_otherwise_is_refused(
        self, change: Any
    ) -> None:
        one = headers_of()["webhook-signature"]
        assert code_of(BODY, headers_of(signature=change(one))) == "header_malformed"

    def test_other_versions_are_passed_over_and_several_signatures_tried(self) -> None:
        foreign = Webhook.sign(BODY, OLD_SECRET, timestamp=NOW, profile=STANDARD)
        one = headers_of()["webhook-signature"]
        assert verify(BODY, headers_of(signature=f"v1a,Zm9v {foreign} {one}")) == "evt_1"

    def test_what_is_signed_is_the_id_the_time_and_the_body(self) -> None:
        assert code_of(BODY, headers_of(id="evt_2")) == "signature_mismatch"
        assert code_of(BODY, headers_of(timestamp=str(NOW - 1))) == "signature_mismatch"
        assert code_of(event("evt_2"), headers_of()) == "signature_mismatch"
        assert code_of(BODY, headers_of(), OLD_SECRET) == "signature_mismatch"

    def test_a_header_given_twice_is_refused(self) -> None:
        made = {**headers_of(), "Webhook-Id": "evt_1"}
        assert code_of(BODY, made) == "header_malformed"

    @pytest.mark.parametrize("nothing", [None, {}, [], 7, "headers", {1: 2}, object()])
    def test_without_headers_nothing_is_authentic(self, nothing: Any) -> None:
        signature = headers_of()["webhook-signature"]
        with pytest.raises(SignatureVerificationError) as caught:
            Webhook.verify(BODY, signature, SECRET, now=NOW, headers=nothing, profile=STANDARD)
        assert caught.value.code == "header_malformed"

    def test_the_events_id_has_to_be_the_headers(self) -> None:
        scheme = signing.get_scheme("standard-webhooks")
        made = scheme.sign(BODY, SECRET, timestamp=NOW, message_id="msg_1")
        with pytest.raises(InvalidPayloadError, match="not the one that its headers"):
            verify(BODY, made)

    @pytest.mark.parametrize(
        "secret", ["whsec_not-base64!!", "whsec_aaaaaaaaaaaaa", "whsec_a=aaaaaaaaa"]
    )
    def test_a_secret_that_is_no_base64_is_unusable(self, secret: str) -> None:
        assert code_of(BODY, headers_of(), secret) == "secret_unusable"
        with pytest.raises(ConfigurationError, match="base64"):
            Webhook.sign(BODY, secret, profile=STANDARD)

    def test_its_secret_is_not_that_of_another_scheme(self) -> None:
        """Both schemes in one process: what is kept of a secret must not be mixed up."""
        timestamped = Webhook.sign(BODY, SECRET, timestamp=NOW)
        assert Webhook.verify(BODY, timestamped, SECRET, now=NOW).id == "evt_1"
        assert verify(BODY, headers_of()) == "evt_1"
        assert Webhook.verify(BODY, timestamped, SECRET, now=NOW).id == "evt_1"

    def test_an_id_that_can_not_be_signed_is_a_value_error(self) -> None:
        scheme = signing.get_scheme("standard-webhooks")
        with pytest.raises(ValueError, match="message_id"):
            scheme.sign(BODY, SECRET, timestamp=NOW, message_id="a.b")


class TestBase64:
    """``body-base64``."""

    signature = base64.b64encode(hmac.digest(SECRET.encode(), BODY, hashlib.sha256)).decode()

    def test_is_keyed_with_the_whole_secret(self) -> None:
        assert Webhook.sign(BODY, SECRET, profile=BASE64) == self.signature
        assert Webhook.verify(BODY, self.signature, SECRET, profile=BASE64).id == "evt_1"
        assert Webhook.verify(BODY, self.signature, SECRET, scheme="body-base64").id == "evt_1"

    @pytest.mark.parametrize(
        "change",
        [
            lambda one: one[:-1],
            lambda one: one + "=",
            lambda one: f" {one}",
            lambda one: f"{one}\n",
            lambda one: one.replace("=", ""),
            lambda one: f"v1,{one}",
            lambda one: base64.b64decode(one).hex(),
            lambda _: "",
        ],
    )
    def test_is_44_characters_and_nothing_else(self, change: Any) -> None:
        with pytest.raises(SignatureVerificationError) as caught:
            Webhook.verify(BODY, change(self.signature), SECRET, profile=BASE64)
        assert caught.value.code == "header_malformed"

    def test_refuses_another_body(self) -> None:
        with pytest.raises(SignatureVerificationError) as caught:
            Webhook.verify(BODY + b" ", self.signature, SECRET, profile=BASE64)
        assert caught.value.code == "signature_mismatch"


def test_a_scheme_that_is_named_wins_over_the_profiles() -> None:
    signature = hmac.digest(SECRET.encode(), BODY, hashlib.sha256).hex()
    assert Webhook.verify(BODY, signature, SECRET, scheme="body", profile=STANDARD).id == "evt_1"


def test_a_profile_that_is_none_is_refused() -> None:
    with pytest.raises(SignatureVerificationError) as caught:
        Webhook.verify(BODY, "x", SECRET, profile={})  # type: ignore[arg-type]  # the point
    assert caught.value.code == "check_unusable"


def test_retries_that_are_not_signed_anew_are_taken_for_35_hours() -> None:
    stale = ApiProfile.from_mapping({"webhooks": {"resigned_on_retry": False}})
    signature = Webhook.sign(BODY, SECRET, timestamp=NOW)
    late = NOW + 35 * 3600
    assert Webhook.verify(BODY, signature, SECRET, now=late, profile=stale).id == "evt_1"
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(BODY, signature, SECRET, now=late + 1, profile=stale)
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(BODY, signature, SECRET, now=late, tolerance="x", profile=stale)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b'"id"', b"[" * 10_000, b'{"id": 7}'])
def test_what_is_no_event_can_be_signed_all_the_same(body: bytes) -> None:
    made = Webhook.signed_headers(body, SECRET, timestamp=NOW, profile=STANDARD)
    with pytest.raises(InvalidPayloadError):
        verify(body, made)
