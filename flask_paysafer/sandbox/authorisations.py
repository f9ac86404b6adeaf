"""Let authorisations run out that nobody captured in time."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from .account import Account
from .ledger import Ledger, Row
from .payments import expire_authorisation
from .realms import Realm


class Authorisations:
    """When each authorisation ends; the caller holds the ledger's lock."""

    def __init__(self, ledger: Ledger, account: Callable[[Realm], Account]) -> None:
        self._ledger = ledger
        self._account = account
        self._ends: list[tuple[float, Realm, str]] = []
        for realm, payment in ledger.rows("payment"):
            self.watch(realm, payment)

    def watch(self, realm: Realm, payment: Row) -> None:
        """Take note of a payment that may be authorised now."""
        if payment.get("_expires") is not None:
            heapq.heappush(self._ends, (payment["_expires"], realm, payment["id"]))

    def expire(self, now: float) -> None:
        """Cancel what ran out by ``now``."""
        while self._ends and self._ends[0][0] <= now:
            _, realm, payment_id = heapq.heappop(self._ends)
            with self._ledger.transaction():
                payment = self._ledger.get("payment", realm, payment_id)
                if payment is not None:
                    expire_authorisation(self._account(realm), payment, now)

    def clear(self) -> None:
        """Forget everything."""
        self._ends.clear()
