"""Decide whether a webhook body came from PaySafer, and recently.

Rules of this folder: no Flask, no JSON, no clock. Callers pass bytes and the
time, so each way to fail can be tested with plain values. What comes in is
hostile: work is bounded by the header's length and the body's, and whatever is
not authentic ends in ``SignatureVerificationError``, whose ``code`` is one of
:data:`REASONS` and whose message holds no secret and no expected value.

The form of the header is an assumption (PaySafer documents its name only), so
everything that knows it is here, and ``PAYSAFER_SIGNATURE_SCHEME`` replaces it.
"""

from .refusals import REASONS
from .schemes import BodyScheme, MerchantScheme, SignatureScheme, get_scheme
from .secrets import fingerprint, unusable_secret
from .timestamped import TimestampedScheme

__all__ = [
    "HEADER",
    "REASONS",
    "BodyScheme",
    "MerchantScheme",
    "SignatureScheme",
    "TimestampedScheme",
    "fingerprint",
    "get_scheme",
    "unusable_secret",
]

HEADER = "PaySafer-Signature"
"""The request header that carries the signature."""
