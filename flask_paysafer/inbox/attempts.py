"""One attempt to have an order paid, as the checkout's tables hold it.

States are PaySafer's own payment statuses, and three of ours: ``asked`` (the
payment was asked for and no answer is stored yet), ``rejected`` (known that no
payment came of it) and ``mismatch`` (the payment is not what was asked for).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..money import Money

CLOSED = frozenset({"rejected", "failed", "canceled"})
"""Nothing was charged and nothing will be: another attempt may be made."""

FINAL = frozenset({"succeeded", "mismatch"})
"""What no later answer changes."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt, as it was when it was read."""

    reference: str
    """The order's reference in the shop."""
    number: int
    """Counted from 1 in each order."""
    shop: str
    """The shop's mark, which the payment's metadata carries too."""
    key: str
    """The idempotency key of the call that creates the payment."""
    money: Money
    """What was asked for."""
    manual_capture: bool
    """Whether an authorisation is all that was asked for."""
    state: str
    """See the top of this file."""
    request: dict[str, Any] | None = field(default=None, repr=False)
    """The arguments of the call, word for word; dropped once its answer is known."""
    payment_id: str | None = None
    failure: str | None = None
    """Why it is closed: a decline code of PaySafer, or a word of ours."""
    next_url: str | None = None
    """Where the customer confirms the payment with the bank."""
    fence: int = 0
    """Counts who has held it; a worker that was held up can't overrule the next one."""
    begun_at: float = 0.0
    """Unix seconds, by the database's clock."""
    age: float = 0.0
    """Seconds since it was begun, by the database's clock."""

    @property
    def is_closed(self) -> bool:
        """Whether another attempt may be made."""
        return self.state in CLOSED

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL or self.is_closed
