"""A hundred thousand damaged headers and bodies: only what was signed is ever accepted."""

from __future__ import annotations

import random
import sys

import pytest

from flask_paysafer import signing
from flask_paysafer.errors import SignatureVerificationError

from .mutations import BODY, GENUINE, NOW, SECRET, damaged

pytestmark = pytest.mark.slow

RETIRED = "whsec_9fJkQ2mXv7Lr4TzPb6Nc8Wd3Hs5Gy1Ea"
SCHEME = signing.get_scheme("timestamped")


def _authentic(header: str) -> bool:
    """Say, by the plainest reading of the rules, whether ``header`` is genuine for BODY."""
    pairs = [part.split("=", 1) for part in header.split(",")]
    if len(header) > 2048 or any(len(pair) != 2 for pair in pairs):
        return False
    if any(name != name.strip() and name.strip() in ("t", "v1") for name, _ in pairs):
        return False
    times = [value for name, value in pairs if name == "t"]
    signatures = [value for name, value in pairs if name == "v1"]
    return (
        times == [str(NOW)]
        and GENUINE[-64:] in signatures
        and len(signatures) <= 8
        and all(len(one) == 64 and set(one) <= set("0123456789abcdef") for one in signatures)
        and all(character <= "\xff" for character in header)
    )


def _accepted(body: bytes, header: str) -> bool:
    try:
        SCHEME.verify(body, header, [RETIRED, SECRET], now=NOW, tolerance=300)
    except SignatureVerificationError:
        return False
    return True


@pytest.mark.parametrize("seed", range(8))
def test_only_genuine_headers_are_accepted(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10_000):
        header = damaged(rng, GENUINE)
        assert _accepted(BODY, header) == _authentic(header), repr(header)


@pytest.mark.parametrize("seed", range(3))
def test_no_changed_body_is_accepted(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(10_000):
        body = bytearray(BODY)
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
        if rng.random() < 0.3:
            del body[rng.randrange(len(body)) :]
        assert _accepted(bytes(body), GENUINE) == (body == BODY)


def test_work_on_a_header_grows_with_its_length_and_no_faster() -> None:
    none, half, whole = (_calls(GENUINE + ",x=1" * pairs) for pairs in (1, 201, 401))
    assert whole - half == half - none


def _calls(header: str) -> int:
    """Return how many functions are called to verify ``header``, Python's own included."""
    events: list[str] = []
    sys.setprofile(lambda frame, event, arg: events.append(event))
    try:
        SCHEME.verify(BODY, header, [SECRET], now=NOW, tolerance=300)
    finally:
        sys.setprofile(None)
    return len(events)


def test_work_on_a_header_is_bounded_by_its_limit() -> None:
    with pytest.raises(SignatureVerificationError, match="longer than 2048 bytes"):
        SCHEME.verify(BODY, GENUINE + ",v1=" * 1_000_000, [SECRET], now=NOW, tolerance=300)
