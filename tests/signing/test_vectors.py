"""Signatures made by openssl and by stripe-python agree with ours, in both directions."""

from __future__ import annotations

import pytest
import stripe

from flask_paysafer import signing
from flask_paysafer.errors import ConfigurationError, SignatureVerificationError

from .vectors import Vector, load_vectors

VECTORS = load_vectors()
SECRET = "whsec_7Wq3nB8xZk2LmV5tRc9pYh4sDf6gJa1e"
NOW = 1_709_472_000


def verify(vector: Vector) -> int:
    return signing.get_scheme(vector.scheme).verify(
        vector.payload,
        vector.signature,
        vector.secrets,
        now=vector.now,
        tolerance=vector.tolerance,
    )


def names(vectors: list[Vector]) -> list[str]:
    return [vector.name for vector in vectors]


ACCEPTED = [vector for vector in VECTORS if vector.accept]
REFUSED = [vector for vector in VECTORS if not vector.accept]
KNOWN_SCHEME = [vector for vector in REFUSED if vector.scheme in ("timestamped", "body")]


def test_there_are_enough_of_both_kinds() -> None:
    assert len(ACCEPTED) >= 40
    assert len(REFUSED) >= 100


@pytest.mark.parametrize("vector", ACCEPTED, ids=names(ACCEPTED))
def test_accepts(vector: Vector) -> None:
    assert 0 <= verify(vector) < len(vector.secrets)


@pytest.mark.parametrize("vector", KNOWN_SCHEME, ids=names(KNOWN_SCHEME))
def test_refuses_for_the_reason_given_and_shows_no_secret(vector: Vector) -> None:
    with pytest.raises(SignatureVerificationError) as caught:
        verify(vector)
    assert caught.value.code == vector.reason
    shown = repr(caught.value) + str(caught.value) + repr(caught.value.__dict__)
    assert "whsec_" not in shown.replace("start with whsec_", "").replace("after whsec_", "")
    expected = signing.TimestampedScheme().sign(vector.payload, SECRET, timestamp=NOW)[-64:]
    assert expected not in shown


@pytest.mark.parametrize(
    "scheme", [vector.scheme for vector in REFUSED if vector not in KNOWN_SCHEME]
)
def test_refuses_a_scheme_that_is_none(scheme: object) -> None:
    with pytest.raises(ConfigurationError, match='must be "timestamped", "body", a function'):
        signing.get_scheme(scheme)


def test_tells_which_secret_signed() -> None:
    position = {vector.name: verify(vector) for vector in ACCEPTED}
    assert position["signed with the first of two secrets"] == 0
    assert position["signed with the second secret"] == 1
    assert position["signed with the third of three secrets"] == 2


BODIES = [
    b"{}",
    b'{"id":"evt_1","type":"payment.completed"}',
    '{"id":"evt_2","description":"قهوة"}'.encode(),
    b'{"padding":"' + b"x" * 65_536 + b'"}',
]


@pytest.mark.parametrize("body", BODIES, ids=["empty", "ascii", "arabic", "64 kB"])
def test_stripe_accepts_what_we_sign(body: bytes) -> None:
    header = signing.TimestampedScheme().sign(body, SECRET, timestamp=NOW)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=None)


@pytest.mark.parametrize("body", BODIES, ids=["empty", "ascii", "arabic", "64 kB"])
def test_we_accept_what_stripe_signs(body: bytes) -> None:
    signature = stripe.WebhookSignature._compute_signature(f"{NOW}.{body.decode()}", SECRET)
    header = f"t={NOW},v1={signature}"
    scheme = signing.TimestampedScheme()
    assert scheme.verify(body, header, [SECRET], now=NOW, tolerance=0) == 0
