"""Ways to damage a signature header, by a seeded random choice."""

from __future__ import annotations

import random
from collections.abc import Callable

from flask_paysafer import Webhook

SECRET = "whsec_7Wq3nB8xZk2LmV5tRc9pYh4sDf6gJa1e"
NOW = 1_709_472_000
BODY = b'{"id":"evt_1","object":"event","type":"payment.completed","data":{"amount":15000}}'
GENUINE = Webhook.sign(BODY, SECRET, timestamp=NOW)
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


def damaged(rng: random.Random, header: str) -> str:
    """Return ``header`` after one to three changes."""
    for _ in range(rng.randrange(1, 4)):
        header = rng.choice(MUTATIONS)(rng, header or ",")
    return header
