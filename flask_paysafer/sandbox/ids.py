"""Make ids that look like PaySafer's."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.digits + string.ascii_letters


def new_id(prefix: str) -> str:
    """Return ``prefix``, an underscore and 24 random letters and digits."""
    return f"{prefix}_{random_text(24)}"


def random_text(length: int) -> str:
    """Return ``length`` letters and digits that nobody can guess."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
