"""Make ids that look like PaySafer's."""

from __future__ import annotations

import secrets
import string

_ALPHABET = (string.digits + string.ascii_letters).encode()
# 62 characters don't divide 256 evenly: a few come a little more often, which
# costs less than one bit of 140 and makes an id forty times as fast to draw.
_CHARACTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))


def new_id(prefix: str) -> str:
    """Return ``prefix``, an underscore and 24 random letters and digits."""
    return f"{prefix}_{random_text(24)}"


def random_text(length: int) -> str:
    """Return ``length`` letters and digits that nobody can guess."""
    return secrets.token_bytes(length).translate(_CHARACTERS).decode()
