"""The scheme that is taken for PaySafer's: ``t=<unix seconds>,v1=<hex>``."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .received import SIGNATURE, require_bytes, require_header
from .refusals import refusal
from .secrets import digest, find_secret, signing_context

MAX_SIGNATURES = 8
MAX_FUTURE_SECONDS = 60
"""How far ahead a sender's clock may be."""
LATEST = 10**12
"""Where time ends here, in unix seconds: what ``t`` can hold in 12 digits."""

_USUAL_HEADER = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_DIGITS = re.compile(r"[0-9]{1,12}")


class TimestampedScheme:
    """``t=<unix seconds>,v1=<hex>``: HMAC-SHA256 over the time, a dot and the body."""

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
    ) -> int:
        """Return the position of the secret that signed ``payload`` within ``tolerance``.

        :param tolerance: the greatest age in seconds, inclusive. 0 allows none.
        :raises SignatureVerificationError: for everything else.
        """
        require_bytes(payload)
        timestamp, candidates = _read_header(signature)
        _check_age(int(timestamp), now, tolerance)
        return find_secret(secrets, timestamp.encode() + b".", payload, candidates)

    def sign(self, payload: bytes, secret: str, *, timestamp: float) -> str:
        """Return the header for ``payload``, signed at ``timestamp`` (unix seconds)."""
        require_bytes(payload)
        seconds = _whole_seconds(timestamp)
        prefix = b"%d." % seconds
        return f"t={seconds},v1={digest(signing_context(secret), prefix, payload)}"


def _read_header(signature: object) -> tuple[str, list[str]]:
    """Return the time as it was written, and every signature, in one pass."""
    usual = _USUAL_HEADER.fullmatch(signature) if isinstance(signature, str) else None
    if usual is not None:  # spares nearly every delivery the loop, which reads it the same
        return usual[1], [usual[2]]
    header = require_header(signature)
    timestamp = None
    candidates = []
    for pair in header.split(","):
        name, equals, value = pair.partition("=")
        if name == "v1":
            if SIGNATURE.fullmatch(value) is None:
                raise refusal("header_malformed", "a v1 is not 64 lower-case hex digits")
            candidates.append(value)
        elif name == "t":
            if timestamp is not None or _DIGITS.fullmatch(value) is None:
                raise refusal("header_malformed", "t must be there once, as unix seconds")
            timestamp = value
        elif not equals or name.strip() in ("t", "v1"):
            # Spaces around a name are how some servers join two headers into one.
            raise refusal("header_malformed", "it has a part that is no plain name=value pair")
    if timestamp is None or not 1 <= len(candidates) <= MAX_SIGNATURES:
        raise refusal("header_malformed", f"it needs one t and 1 to {MAX_SIGNATURES} v1")
    return timestamp, candidates


def _check_age(timestamp: int, now: object, tolerance: object) -> None:
    age = _number(now, "now") - timestamp
    if age > _number(tolerance, "tolerance"):
        raise refusal("timestamp_too_old", f"{age:.0f} s old, {tolerance} s allowed")
    if age < -MAX_FUTURE_SECONDS:
        raise refusal("timestamp_in_future", f"{-age:.0f} s ahead, {MAX_FUTURE_SECONDS} s allowed")


def _number(value: object, name: str) -> float:
    """Return a plausible number of seconds: NaN or infinity would switch the check off."""
    if not isinstance(value, (int, float)) or value is True or value is False:
        raise refusal("check_unusable", f"{name} must be a number of seconds")
    if not 0 <= value < LATEST:
        raise refusal("check_unusable", f"{name} must be at least 0 and below {LATEST}")
    return value


def _whole_seconds(timestamp: object) -> int:
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise TypeError("timestamp must be a number of unix seconds.")
    if not 0 <= timestamp < LATEST:
        raise ValueError(f"timestamp must be unix seconds, at least 0 and below {LATEST}.")
    return int(timestamp)
