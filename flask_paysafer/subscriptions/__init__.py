"""Recurring billing: a schedule kept in the shop, whose every charge is a checkout of its own.

- :mod:`.plans`: what a period costs, registered by the merchant
- :mod:`.schedule`: when periods begin
- :mod:`.objects`: what the calls return
"""

from __future__ import annotations

from .objects import Period, Subscription
from .plans import Charge

__all__ = ["Charge", "Period", "Subscription"]
