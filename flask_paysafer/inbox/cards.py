"""Saved cards: which payment methods a customer left with PaySafer, and what they agreed to.

The checkout saves a card once a payment with it has succeeded, and only if the customer
asked for it or was told. Removing one forgets it here: it is never charged again by this
shop. The card's number is with PaySafer and never here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select, update

from .database import Database, insert_absent
from .records import SavedCard


class CardStore:
    """The saved cards of one account.

    :param clock: The application's clock.
    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(self, database: Database, *, account: str, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._account = account
        self._clock = clock
        self._table = database.tables.saved_card

    def list(self, customer: str) -> list[SavedCard]:
        """Return the customer's cards, newest first."""
        columns = self._table.c
        query = (
            select(self._table)
            .where(self._is_of(customer), columns.removed_at.is_(None))
            .order_by(columns.saved_at.desc(), columns.payment_method)
        )
        with self._database.connected() as connection:
            return [self._card(row) for row in connection.execute(query)]

    def remove(self, customer: str, payment_method: str) -> bool:
        """Forget a card: this shop never charges it again.

        :returns: False if the customer has no such card.
        """
        removed = (
            update(self._table)
            .where(self._is(customer, payment_method), self._table.c.removed_at.is_(None))
            .values(removed_at=self._now())
        )
        with self._database.transaction() as connection:
            return connection.execute(removed).rowcount == 1

    def save(
        self,
        customer: str,
        payment_method: str,
        details: Mapping[str, Any],
        *,
        consent: Mapping[str, Any],
    ) -> None:
        """Keep a card after its first payment succeeded; a card that is known stays as it is.

        :param details: ``brand``, ``last4``, ``exp_month`` and ``exp_year``, as PaySafer has them.
        """
        row = {
            "account": self._account,
            "customer": customer,
            "payment_method": payment_method,
            "brand": _text(details.get("brand"), 32),
            "last4": _text(details.get("last4"), 4),
            "exp_month": _number(details.get("exp_month")),
            "exp_year": _number(details.get("exp_year")),
            "consent": json.dumps(dict(consent)),
            "saved_at": self._now(),
            "removed_at": None,
        }
        insert = insert_absent(self._database.dialect, self._table, {})
        with self._database.transaction() as connection:
            insert(connection, row)

    def is_removed(self, customer: str, payment_method: str) -> bool:
        """Whether the customer's card was removed here."""
        query = select(self._table.c.removed_at).where(self._is(customer, payment_method))
        with self._database.connected() as connection:
            return connection.scalar(query) is not None

    def _card(self, row: Row[Any]) -> SavedCard:
        return SavedCard(
            payment_method=row.payment_method,
            brand=row.brand,
            last4=row.last4,
            exp_month=row.exp_month,
            exp_year=row.exp_year,
            consent=json.loads(row.consent or "{}"),
            now=self._clock().astimezone(UTC),
        )

    def _now(self) -> int:
        return round(self._clock().timestamp() * 1000)

    def _is_of(self, customer: str) -> ColumnElement[bool]:
        columns = self._table.c
        return and_(columns.account == self._account, columns.customer == customer)

    def _is(self, customer: str, payment_method: str) -> ColumnElement[bool]:
        return and_(self._is_of(customer), self._table.c.payment_method == payment_method)


def _text(value: Any, length: int) -> str | None:
    return value[:length] if isinstance(value, str) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int else None
