"""A merchant's own scheme decides, and can neither open the door by accident nor break it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

import pytest

from flask_paysafer import signing
from flask_paysafer.errors import ConfigurationError, SignatureVerificationError
from flask_paysafer.profile import SCHEMES

SECRETS = ["whsec_1234567890", "whsec_abcdefghij"]
BODY = b'{"id":"evt_1"}'


def sha512(payload: bytes, signature: str | None, secret: str) -> bool:
    expected = hmac.digest(secret.encode(), payload, "sha512").hex()
    return hmac.compare_digest(expected, signature or "")


def ask(scheme: object, signature: str | None = "x", secrets: object = SECRETS) -> int:
    return signing.get_scheme(scheme).verify(
        BODY,
        signature,
        secrets,  # type: ignore[arg-type]  # wrong ones are among the cases
        now=0,
        tolerance=300,
    )


def test_a_function_is_asked_for_each_secret() -> None:
    signature = hmac.new(SECRETS[1].encode(), BODY, hashlib.sha512).hexdigest()
    assert ask(sha512, signature) == 1


def test_an_object_names_the_secret() -> None:
    class Second:
        def verify(
            self,
            payload: bytes,
            signature: str | None,
            secrets: Sequence[str],
            *,
            now: float,
            tolerance: float,
        ) -> int:
            assert (payload, signature, list(secrets), tolerance) == (BODY, "x", SECRETS, 300)
            return 1

    assert ask(Second()) == 1


@pytest.mark.parametrize("answer", [False, None, 1, "yes", b"1", [True], object()])
def test_a_function_accepts_with_true_alone(answer: object) -> None:
    with pytest.raises(SignatureVerificationError) as caught:
        ask(lambda payload, signature, secret: answer)
    assert caught.value.code == "signature_mismatch"


@pytest.mark.parametrize("answer", [True, None, -1, 2, 0.0, "0"])
def test_an_object_accepts_with_a_position_alone(answer: object) -> None:
    class Odd:
        def verify(self, *_args: object, **_times: object) -> object:
            return answer

    with pytest.raises(SignatureVerificationError, match="the signature scheme named no secret"):
        ask(Odd())


@pytest.mark.parametrize("error", [ValueError("whsec_leak"), KeyError("x"), RecursionError()])
def test_what_a_scheme_raises_becomes_a_refusal_without_its_text(error: Exception) -> None:
    def broken(payload: bytes, signature: str | None, secret: str) -> bool:
        raise error

    with pytest.raises(SignatureVerificationError) as caught:
        ask(broken)
    assert caught.value.message.endswith(f"the signature scheme raised {type(error).__name__}")


def test_a_scheme_can_refuse_with_its_own_reason() -> None:
    def picky(payload: bytes, signature: str | None, secret: str) -> bool:
        raise SignatureVerificationError("wrong key id", code="timestamp_too_old")

    with pytest.raises(SignatureVerificationError, match="wrong key id") as caught:
        ask(picky)
    assert caught.value.code == "timestamp_too_old"


@pytest.mark.parametrize("secrets", [[], None, [""], [None], ["whsec_1234567890", "short"]])
def test_a_scheme_is_not_asked_without_usable_secrets(secrets: object) -> None:
    with pytest.raises(SignatureVerificationError) as caught:
        ask(lambda *_: True, secrets=secrets)
    assert caught.value.code == "secret_unusable"


async def in_time(payload: bytes, signature: str | None, secret: str) -> bool:
    return True


@pytest.mark.parametrize("scheme", [None, 1, "Timestamped", "", b"body", in_time, dict, object()])
def test_what_can_decide_nothing_is_refused_as_a_scheme(scheme: object) -> None:
    with pytest.raises(ConfigurationError, match="The signature scheme must be"):
        signing.get_scheme(scheme)


def test_a_scheme_passes_through_unwrapped_when_it_is_ours() -> None:
    scheme = signing.get_scheme(sha512)
    assert signing.get_scheme(scheme) is scheme
    for name in SCHEMES:
        known = signing.get_scheme(name)
        assert signing.get_scheme(known) is known
