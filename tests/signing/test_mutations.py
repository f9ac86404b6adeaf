"""A hundred thousand damaged headers and bodies: only what was signed is ever accepted."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from flask_paysafer import signing
from flask_paysafer.errors import SignatureVerificationError

SECRET = "whsec_7Wq3nB8xZk2LmV5tRc9pYh4sDf6gJa1e"
RETIRED = "whsec_9fJkQ2mXv7Lr4TzPb6Nc8Wd3Hs5Gy1Ea"
NOW = 1_709_472_000
BODY = b'{"id":"evt_1","object":"event","type":"payment.completed","data":{"amount":15000}}'
SCHEME = signing.TimestampedScheme()
GENUINE = SCHEME.sign(BODY, SECRET, timestamp=NOW)
PIECES = [
    "", ",", "=", "t", "v1", "v0", "t=", "v1=", ",t=1", ",v1=", "0", "f", "F", " ", "\n", "\x00",
    "\xe9", "\u0661", "\ud800", "-", "+", "1e9", "٣", "0x", f"t={NOW}", f"t={NOW + 1}",
    GENUINE, GENUINE[-64:], GENUINE.upper(), "a" * 64, "a" * 2048, "," * 2048,
]  # fmt: skip


def _replace(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text))
    return text[:at] + chr(rng.randrange(0x110000)) + text[at + 1 :]


def _insert(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(PIECES) + text[at:]


def _cut(rng: random.Random, text: str) -> str:
    start, end = sorted(rng.choices(range(len(text) + 1), k=2))
    return text[:start] + text[end:]


def _swap(rng: random.Random, text: str) -> str:
    parts = text.split(",")
    rng.shuffle(parts)
    return ",".join(parts)


def _compose(rng: random.Random, text: str) -> str:
    return "".join(rng.choices(PIECES, k=rng.randrange(1, 6)))


MUTATIONS: list[Callable[[random.Random, str], str]] = [_replace, _insert, _cut, _swap, _compose]


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
        header = GENUINE
        for _ in range(rng.randrange(1, 4)):
            header = rng.choice(MUTATIONS)(rng, header or ",")
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


def test_work_on_a_header_is_bounded_by_its_limit() -> None:
    """No header makes more pairs than its 2048 bytes can hold, and none is hashed before that."""
    with pytest.raises(SignatureVerificationError, match="longer than 2048 bytes"):
        SCHEME.verify(BODY, GENUINE + ",v1=" * 1_000_000, [SECRET], now=NOW, tolerance=300)
