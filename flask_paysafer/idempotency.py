"""Idempotency keys: derived from what a call is for, or fresh.

PaySafer carries out the calls that bear one key once. So a key that is derived
from the order and the attempt makes a repeated call harmless, from another
worker, after a crash or in a retried task, where a fresh one would pay twice.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from uuid import UUID

__all__ = ["check_key", "fresh_key", "idempotency_key"]

MAX_LENGTH = 255

_PLAIN = re.compile(r"[A-Za-z0-9-]+")
_ODD = re.compile(r"[^A-Za-z0-9-]+")
_READABLE_LENGTH = 200


def idempotency_key(*parts: str | int | UUID) -> str:
    """Return the same ASCII key of at most 255 characters for the same parts.

    ``idempotency_key("order", 1234, "attempt", 1)`` is ``order_1234_attempt_1``.
    Parts of letters, digits and hyphens are joined as they stand. If any part
    holds something else, is empty, or the key would be too long, the readable
    text is followed by a dot and a digest of the exact parts, so that
    ``("a_b", "c")``, ``("a", "b_c")`` and ``("a", "b", "c")`` get three keys. A
    number and its text (``1`` and ``"1"``) are the same part, for ids come from
    URLs as text.

    :raises TypeError: for a part that is no string, integer or UUID, such as the
        None of an order that was not saved yet.
    :raises ValueError: without parts.
    """
    if not parts:
        raise ValueError("idempotency_key() needs parts that name what the call is for.")
    texts = [_text(part) for part in parts]
    key = "_".join(texts)
    if len(key) <= MAX_LENGTH and all(map(_PLAIN.fullmatch, texts)):
        return key
    readable = "_".join(_ODD.sub("_", text[:_READABLE_LENGTH]) for text in texts)
    return f"{readable[:_READABLE_LENGTH]}.{_digest(texts)}"


def fresh_key() -> str:
    """Return a key that no other call has: for a call that is asked for once."""
    return secrets.token_hex(16)


def check_key(key: object) -> str:
    """Return ``key`` if it can be sent as ``Idempotency-Key``.

    :raises TypeError: if it is no string.
    :raises ValueError: if it is empty, longer than 255, or not printable ASCII.
    """
    if not isinstance(key, str):
        raise TypeError(f"idempotency_key must be str, not {type(key).__name__}.")
    if not 0 < len(key) <= MAX_LENGTH:
        raise ValueError(f"idempotency_key must be 1 to {MAX_LENGTH} characters long.")
    if not (key.isascii() and key.isprintable()) or key != key.strip():
        raise ValueError(
            "idempotency_key must be printable ASCII without spaces around it; "
            "flask_paysafer.idempotency_key() makes one from any text."
        )
    return key


def _text(part: object) -> str:
    if isinstance(part, bool) or not isinstance(part, (str, int, UUID)):
        raise TypeError(
            f"Parts of an idempotency key are str, int or UUID, not {type(part).__name__}."
        )
    return str(part)


def _digest(texts: list[str]) -> str:
    # Lengths in front, so that no text can imitate the border between two parts.
    exact = "".join(f"{len(text)}:{text}" for text in texts)
    return hashlib.sha256(exact.encode("utf-8", "surrogatepass")).hexdigest()[:32]
