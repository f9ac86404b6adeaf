"""What steering may change while the sandbox runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .failures import invalid
from .fields import Choice, Flag, Kind, Record, Schema
from .idempotency import Reading


@dataclass(frozen=True)
class Rate:
    """How fast the clock runs: a number from 0."""

    def check(self, value: Any, param: str) -> float:
        """See :meth:`.fields.Kind.check`."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(param, "must be a number.")
        if not 0 <= value <= 1_000_000:
            raise invalid(param, "must be from 0 (stands still) to 1000000.")
        return float(value)

    def schema(self) -> Schema:
        """See :meth:`.fields.Kind.schema`."""
        return {"type": "number", "minimum": 0, "maximum": 1_000_000}


_FIELDS: dict[str, Kind] = {
    "idempotency": Choice(("replay", "strict")),
    "strict": Flag(),
    "clock_rate": Rate(),
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
