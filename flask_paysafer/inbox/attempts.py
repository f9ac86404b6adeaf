"""An order as the checkout's tables hold it, and the attempts to have it paid.

An attempt's states are PaySafer's own payment statuses, and five of ours: ``asked`` (the
payment was asked for and no answer is stored yet), ``rejected`` (known that no payment came
of it), ``declined`` (it failed, and PaySafer lets nobody take it up again), ``mismatch`` (the
payment is not what was asked for) and ``late`` (it was paid after the order had expired).

A payment that ``failed`` is not closed: with the publishable key it can be confirmed once
more. It is cancelled at PaySafer before another attempt begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..money import Money

CLOSED = frozenset({"rejected", "canceled", "declined"})
"""Nothing was charged and nothing can be: another attempt may be made."""

FINAL = frozenset({"succeeded", "mismatch", "late"})
"""Money moved: no later answer changes it."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """An attempt, as it was when it was read."""

    reference: str
    """The order's reference in the shop."""
    number: int
    """Counted from 1 in each order."""
    shop: str
    """The installation id, which the payment's metadata carries too."""
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
    """Why it is over: a decline code of PaySafer, or a word of ours."""
    next_url: str | None = field(default=None, repr=False)
    """Where the customer confirms the payment with the bank."""
    refunded: int = 0
    """What is known to have been given back, in minor units."""
    fence: int = 0
    """Counts who has held it; a worker that was held up can't overrule the next one."""
    misses: int = 0
    """How many times in a row PaySafer gave no answer."""
    begun_at: float = 0.0
    """Unix seconds, by the database's clock."""
    updated_at: float = 0.0
    """When its state last changed, likewise."""
    age: float = 0.0
    """Seconds since it was begun, by the database's clock."""
    expires_at: float | None = None
    """When its order expires, in unix seconds."""
    order_expired: bool = False
    """Whether ``checkout.expired`` has been written for its order."""

    @property
    def is_closed(self) -> bool:
        """Whether nothing can come of it any more."""
        return self.state in CLOSED

    @property
    def is_over(self) -> bool:
        """Whether the customer may try another card."""
        return self.is_closed or self.state == "failed"

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self.state in FINAL or self.is_closed

    @property
    def is_authorised(self) -> bool:
        """Whether it holds the money for a capture by the shop."""
        return self.state == "requires_capture" and self.manual_capture


@dataclass(frozen=True, kw_only=True)
class OrderRecord:
    """All that is stored of one order's checkout."""

    reference: str
    shop: str
    count: int
    """How many attempts there were."""
    attempts: tuple[Attempt, ...]
    """The one that counts first: what was paid, else what is open, else the latest."""
    closed: bool
    """Whether the shop has closed the checkout."""
    expired: bool
    """Whether ``checkout.expired`` has been written."""
    expires_at: float | None
    created_at: float

    @property
    def current(self) -> Attempt | None:
        """The attempt that counts."""
        return self.attempts[0] if self.attempts else None

    @property
    def open(self) -> tuple[Attempt, ...]:
        """The attempts of which a charge could still come."""
        return tuple(one for one in self.attempts if not one.is_final)
