"""What steering may change while the sandbox runs."""

from __future__ import annotations

from dataclasses import dataclass

from .fields import Choice, Flag, Kind, Number, Record
from .idempotency import Reading

MAX_RATE = 1_000_000
"""Virtual seconds per real second, at most."""

_FIELDS: dict[str, Kind] = {
    "idempotency": Choice(("replay", "strict")),
    "strict": Flag(),
    "clock_rate": Number(MAX_RATE),
    "sign_with": Choice(("auto", "virtual", "wall")),
}
CHANGE_SETTINGS = Record(_FIELDS)


@dataclass
class Settings:
    """How the API behaves."""

    idempotency: Reading = "replay"
    """Which reading of PaySafer's sentence about keys applies."""
    strict: bool = False
    """Whether routes that are only assumed are refused."""
