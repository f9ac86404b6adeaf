"""Signatures made by openssl and by stripe-python agree with ours, in both directions."""

from __future__ import annotations

import pytest
import stripe

from flask_paysafer import Webhook, signing
from flask_paysafer.errors import InvalidPayloadError, SignatureVerificationError

from .vectors import Vector, load_vectors

VECTORS = load_vectors()
SECRET = "whsec_7Wq3nB8xZk2LmV5tRc9pYh4sDf6gJa1e"
NOW = 1_709_472_000


def outcome(vector: Vector) -> str | None:
    """Return the reason for the refusal; only the genuine passes to parsing."""
    try:
        Webhook.verify(
            vector.payload,
            vector.signature,
            vector.secrets,
            now=vector.now,
            tolerance=vector.tolerance,
            scheme=vector.scheme,
        )
    except SignatureVerificationError as error:
        shown = repr(error) + str(error) + repr(error.__dict__)
        assert "whsec_" not in shown.replace("start with whsec_", "").replace("after whsec_", "")
        assert Webhook.sign(vector.payload, SECRET, timestamp=NOW)[-64:] not in shown
        return error.code
    except InvalidPayloadError:
        return None
    return None


def test_there_are_enough_of_both_kinds() -> None:
    accepted = [vector.accept for vector in VECTORS]
    assert accepted.count(True) >= 40
    assert accepted.count(False) >= 100


def test_every_vector_has_the_outcome_that_it_names() -> None:
    """Nothing but the two errors is raised, and none holds a secret or what was expected."""
    wrong = [vector.name for vector in VECTORS if outcome(vector) != vector.reason]
    assert wrong == []


def test_tells_which_secret_signed() -> None:
    position = {
        vector.name: signing.get_scheme(vector.scheme).verify(
            vector.payload,
            vector.signature,
            vector.secrets,
            now=vector.now,
            tolerance=vector.tolerance,
        )
        for vector in VECTORS
        if vector.accept
    }
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
    header = Webhook.sign(body, SECRET, timestamp=NOW)
    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET, tolerance=None)


@pytest.mark.parametrize("body", BODIES, ids=["empty", "ascii", "arabic", "64 kB"])
def test_we_accept_what_stripe_signs(body: bytes) -> None:
    signature = stripe.WebhookSignature._compute_signature(f"{NOW}.{body.decode()}", SECRET)
    header = f"t={NOW},v1={signature}"
    scheme = signing.get_scheme("timestamped")
    assert scheme.verify(body, header, [SECRET], now=NOW, tolerance=0) == 0
