"""Signing secrets: which can be used, and the HMAC that each one keys."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from hmac import compare_digest
from typing import TYPE_CHECKING

from ..errors import ConfigurationError
from .refusals import refusal

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hmac import HMAC

_SECRET = re.compile(r"whsec_[!#-&(-+\--~]{10,}")  # printable ASCII but space, comma and quotes


def unusable_secret(secret: object) -> str | None:
    """Return why ``secret`` can't be a signing secret, or None if it can."""
    if not isinstance(secret, str):
        return f"it is no text but {type(secret).__name__}"
    if not secret.strip():
        return "it is blank"
    if not secret.startswith("whsec_"):
        return "it does not start with whsec_"
    if _SECRET.fullmatch(secret) is None:
        return (
            "after whsec_ it must hold at least 10 printable ASCII characters, "
            "none of them a space, comma or quote"
        )
    return None


def fingerprint(secret: str) -> str:
    """Return eight hex digits that tell secrets apart and are safe to store and show."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def require_secrets(secrets: object) -> Sequence[str]:
    """Return one secret or several as a sequence that is not empty."""
    if isinstance(secrets, str):
        return (secrets,)
    # The abstract class is asked last: it takes longer than the rest of this file's Python.
    if not isinstance(secrets, (tuple, list, Sequence)) or not secrets:
        raise refusal("secret_unusable")
    return secrets


def find_secret(secrets: object, prefix: bytes, payload: bytes, candidates: Sequence[str]) -> int:
    """Try every secret against every signature: the time taken must not tell which fits."""
    found = -1
    contexts = [*map(verifying_context, require_secrets(secrets))]  # all, before any is tried
    for index, context in enumerate(contexts):
        expected = digest(context, prefix, payload)
        for candidate in candidates:
            if compare_digest(expected, candidate):
                found = index
    if found < 0:
        raise refusal("signature_mismatch")
    return found


def digest(context: HMAC, prefix: bytes, payload: bytes) -> str:
    """Return the lower-case hex HMAC of ``prefix`` and ``payload`` on a copy of ``context``."""
    mac = context.copy()
    mac.update(prefix)
    mac.update(payload)
    return mac.finalize().hex()


def signing_context(secret: str) -> HMAC:
    """Return the HMAC to sign with.

    :raises ConfigurationError: if ``secret`` can't be used.
    """
    reason = unusable_secret(secret)
    if reason is not None:
        raise ConfigurationError(f"The webhook secret can't be used: {reason}.")
    return _context(secret)


def verifying_context(secret: object) -> HMAC:
    """Return the HMAC to check with; refuse the signature if ``secret`` can't be used."""
    if not isinstance(secret, str):
        raise refusal("secret_unusable", unusable_secret(secret) or "")
    return _context(secret)


@lru_cache(maxsize=64)
def _context(secret: str) -> HMAC:
    """Return the HMAC with its key worked in; a copy of it costs a third of a fresh one."""
    reason = unusable_secret(secret)
    if reason is not None:
        raise refusal("secret_unusable", reason)
    # Imported on first use: it costs more than the rest of this package together.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC

    return HMAC(secret.encode(), SHA256())
