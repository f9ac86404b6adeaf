"""Why a body is refused: one short code each, and what it means."""

from __future__ import annotations

from ..errors import SignatureVerificationError

REASONS = {
    "signature_missing": "no signature came with the body",
    "header_malformed": "the signature is not of the form that the scheme asks for",
    "timestamp_too_old": "the signature is older than the tolerance",
    "timestamp_in_future": "the signature is from the future",
    "signature_mismatch": "no configured secret made this signature over these bytes",
    "secret_unusable": "there is no secret to check the signature with",
    "check_unusable": "the tolerance, the time or the scheme can't be used",
}
"""What ``SignatureVerificationError.code`` can be, with its meaning."""


def refusal(code: str, detail: str = "") -> SignatureVerificationError:
    """Return the error to raise; ``detail`` must hold no secret and no expected value."""
    reason = REASONS.get(code, code)
    return SignatureVerificationError(f"{reason}: {detail}" if detail else reason, code=code)
