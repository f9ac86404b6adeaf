from __future__ import annotations

import hashlib

import pytest

from flask_paysafer import signing
from flask_paysafer.errors import ConfigurationError
from flask_paysafer.profile import SCHEMES


@pytest.mark.parametrize(
    "secret", ["whsec_1234567890", "whsec_" + "a" * 500, "whsec_!#$%&()*+-./:;<=>?@[]^_{|}~"]
)
def test_a_usable_secret_has_nothing_against_it(secret: str) -> None:
    assert signing.unusable_secret(secret) is None


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        (None, "it is no text but NoneType"),
        (b"whsec_1234567890", "it is no text but bytes"),
        ("", "it is blank"),
        (" \t", "it is blank"),
        ("sk_test_1234567890", "it does not start with whsec_"),
        (" whsec_1234567890", "it does not start with whsec_"),
        (
            "whsec_123456789",
            (
                "after whsec_ it must hold at least 10 printable ASCII characters, "
                "none of them a space, comma or quote"
            ),
        ),
    ],
)
def test_an_unusable_secret_is_explained(secret: object, reason: str) -> None:
    assert signing.unusable_secret(secret) == reason


@pytest.mark.parametrize("character", [" ", ",", '"', "'", "\n", "\x7f", "é", "\ud800", "\x00"])
def test_characters_that_hint_at_a_wrong_copy_make_a_secret_unusable(character: str) -> None:
    assert signing.unusable_secret("whsec_1234567890" + character) is not None


def test_a_fingerprint_is_the_start_of_the_sha256() -> None:
    secret = "whsec_1234567890"
    assert signing.fingerprint(secret) == hashlib.sha256(secret.encode()).hexdigest()[:8]


def test_signing_with_an_unusable_secret_names_the_reason() -> None:
    with pytest.raises(ConfigurationError) as caught:
        signing.get_scheme("timestamped").sign(b"{}", "", timestamp=1)
    assert caught.value.message == "The webhook secret can't be used: it is blank."


@pytest.mark.parametrize("payload", ["{}", bytearray(b"{}"), memoryview(b"{}"), None, {}])
@pytest.mark.parametrize("scheme", [*SCHEMES, lambda *_: True])
def test_a_payload_that_is_not_bytes_is_a_type_error(payload: object, scheme: object) -> None:
    with pytest.raises(TypeError, match="payload must be the request's raw bytes, not "):
        signing.get_scheme(scheme).verify(
            payload,  # type: ignore[arg-type]  # the point of the test
            "x",
            ["whsec_1234567890"],
            now=0,
            tolerance=0,
        )


@pytest.mark.parametrize("timestamp", ["1709472000", None, True])
def test_signing_at_a_time_that_is_no_number_is_a_type_error(timestamp: object) -> None:
    with pytest.raises(TypeError, match="timestamp must be a number of unix seconds"):
        signing.get_scheme("timestamped").sign(
            b"{}",
            "whsec_1234567890",
            timestamp=timestamp,  # type: ignore[arg-type]  # the point of the test
        )


@pytest.mark.parametrize("timestamp", [-1, 10**12, float("inf"), float("nan")])
def test_signing_at_a_time_that_never_is_is_a_value_error(timestamp: float) -> None:
    with pytest.raises(ValueError, match="timestamp must be unix seconds"):
        signing.get_scheme("timestamped").sign(b"{}", "whsec_1234567890", timestamp=timestamp)


def test_signing_drops_fractions_of_a_second() -> None:
    header = signing.get_scheme("timestamped").sign(b"{}", "whsec_1234567890", timestamp=12.9)
    assert header["PaySafer-Signature"].startswith("t=12,v1=")
