"""What came with a request, before it is trusted: bytes and at most one header."""

from __future__ import annotations

import re

from .refusals import refusal

MAX_HEADER_LENGTH = 2048
SIGNATURE = re.compile(r"[0-9a-f]{64}")


def require_bytes(payload: object) -> None:
    """Refuse text and buffers: what was decoded or may change is not what was signed."""
    if not isinstance(payload, bytes):
        raise TypeError(
            f"payload must be the request's raw bytes, not {type(payload).__name__}: "
            "in Flask, request.get_data()."
        )


def require_header(signature: object) -> str:
    """Return the header if HTTP can carry it and its length bounds the work."""
    if signature is None:
        raise refusal("signature_missing")
    if not isinstance(signature, str):
        raise refusal("header_malformed", f"it is {type(signature).__name__}, not text")
    if len(signature) > MAX_HEADER_LENGTH:
        raise refusal("header_malformed", f"it is longer than {MAX_HEADER_LENGTH} bytes")
    if not signature.isascii() and max(signature) > "\xff":
        raise refusal("header_malformed", "it holds characters that no header can carry")
    return signature
