"""Keep what the checkout knows: one row per order, one per attempt to pay it.

The rows decide who may create a payment: an attempt exists only if its number was
the next one and no other attempt of that order was open. Every change is committed
before PaySafer is asked, so that a killed worker leaves a row from which another
one finds out, with the same key and the same words, what became of the payment.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    case,
    exists,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..errors import InboxUnavailableError
from ..money import Money
from .attempts import CLOSED, FINAL, Attempt
from .database import Database, InsertAbsent, insert_absent, now_ms
from .encryption import Seal


class _NotNextError(Exception):
    """Undoes a transaction: another attempt was quicker, or is open."""


class CheckoutStore:
    """The checkout's rows of one account.

    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(self, database: Database, *, account: str, seal: Seal | None = None) -> None:
        self._database = database
        self._account = account
        self._seal = seal or Seal()
        self._orders = database.tables.checkout
        self._attempts = database.tables.checkout_attempt

    @cached_property
    def _insert_order(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._orders, {"created_at": now_ms()})

    def current(self, reference: str, *, within: Connection | None = None) -> Attempt | None:
        """Return the attempt that counts: the one that paid, else the latest.

        :param within: Read through this connection. In a handler it has to be the one of
            the shop's session: a database in memory has but one, and returning it to the
            pool would undo what the handler has written.
        """
        attempts = self._attempts.c
        is_final = case((attempts.state.in_(FINAL), 1), else_=0)
        chosen = self._choice(reference).order_by(is_final.desc(), attempts.number.desc())
        return self._first(chosen.limit(1), within)

    def attempt(self, reference: str, number: int) -> Attempt | None:
        """Return one attempt, or None."""
        return self._first(self._choice(reference, number))

    def _choice(self, reference: str, number: int | None = None) -> Select[Any]:
        orders, attempts = self._orders, self._attempts
        same_order = and_(
            orders.c.account == attempts.c.account, orders.c.reference == attempts.c.reference
        )
        age = (now_ms() - attempts.c.begun_at).label("age")
        chosen = select(attempts, orders.c.shop, age).join_from(attempts, orders, same_order)
        return chosen.where(self._is(reference, number))

    def _first(self, chosen: Select[Any], within: Connection | None = None) -> Attempt | None:
        if within is None:
            with self._database.connected() as connection:
                row = connection.execute(chosen).first()
        else:
            row = within.execute(chosen).first()
        return None if row is None else self._attempt(row)

    def _is(self, reference: str, number: int | None = None) -> ColumnElement[bool]:
        attempts = self._attempts.c
        one = and_(attempts.account == self._account, attempts.reference == reference)
        return one if number is None else and_(one, attempts.number == number)

    def _attempt(self, row: Row[Any]) -> Attempt:
        return Attempt(
            reference=row.reference,
            number=row.number,
            shop=row.shop,
            key=row.idempotency_key,
            money=Money(row.amount, row.currency),
            manual_capture=row.manual_capture,
            state=row.state,
            request=self._open_request(row),
            payment_id=row.payment_id,
            failure=row.failure,
            next_url=row.next_url,
            fence=row.fence,
            begun_at=row.begun_at / 1000,
            age=row.age / 1000,
        )

    def _open_request(self, row: Row[Any]) -> dict[str, Any] | None:
        if row.request is None:
            return None
        opened = self._seal.try_open(row.request, encrypted=row.request_encrypted)
        if opened is None:
            raise InboxUnavailableError(
                f"The checkout of order {row.reference!r} waits for an answer, and no inbox "
                "encryption key that is set can read what was asked. Put the former key back "
                "behind the new one until no checkout is under way."
            )
        request: dict[str, Any] = json.loads(opened)
        return request

    def shop_of(self, reference: str, *, default: str) -> str:
        """Return the mark that this order's payments carry; ``default`` for a new order."""
        with self._database.transaction() as connection:
            row = {"account": self._account, "reference": reference, "shop": default, "attempts": 0}
            self._insert_order(connection, row)
        with self._database.connected() as connection:
            shop: str = connection.execute(
                select(self._orders.c.shop).where(
                    self._orders.c.account == self._account,
                    self._orders.c.reference == reference,
                )
            ).scalar_one()
        return shop

    def begin(self, attempt: Attempt, *, lease: float) -> bool:
        """Store a new attempt, held by the caller for ``lease`` seconds.

        :returns: False if another one was quicker, or one is open still; then
            nothing was stored and nothing may be charged.
        """
        try:
            with self._database.transaction() as connection:
                self._insert_next(connection, attempt, lease)
        except (IntegrityError, _NotNextError):
            return False
        return True

    def _insert_next(self, connection: Connection, attempt: Attempt, lease: float) -> None:
        # Inserted before anything is read: on MariaDB, a read for the update would lock
        # the gap that the next customer's row goes into, and both would wait.
        connection.execute(insert(self._attempts).values(self._row(attempt, lease)))
        if connection.execute(self._count(attempt)).rowcount != 1:
            raise _NotNextError

    def _count(self, attempt: Attempt) -> Update:
        orders, attempts = self._orders, self._attempts
        is_open = exists().where(
            self._is(attempt.reference),
            attempts.c.number != attempt.number,
            attempts.c.state.not_in(CLOSED),
        )
        return (
            update(orders)
            .where(
                orders.c.account == self._account,
                orders.c.reference == attempt.reference,
                orders.c.attempts == attempt.number - 1,
                ~is_open,
            )
            .values(attempts=attempt.number)
        )

    def _row(self, attempt: Attempt, lease: float) -> dict[str, Any]:
        request = json.dumps(attempt.request, ensure_ascii=False).encode()
        return {
            "account": self._account,
            "reference": attempt.reference,
            "number": attempt.number,
            "idempotency_key": attempt.key,
            "amount": attempt.money.amount,
            "currency": attempt.money.currency,
            "manual_capture": attempt.manual_capture,
            "state": attempt.state,
            "request": self._seal.close(request),
            "request_encrypted": self._seal.encrypts,
            "begun_at": now_ms(),
            "due_at": now_ms() + int(lease * 1000),
            "fence": attempt.fence,
        }

    def hold(self, attempt: Attempt, *, lease: float, early: float = 0.0) -> Attempt | None:
        """Take the attempt for ``lease`` seconds, to find out what became of it.

        :param early: Take it although so many seconds are left.
        :returns: The attempt as its holder has it; None while somebody else holds it,
            or it rests.
        """
        held = replace(attempt, fence=attempt.fence + 1)
        is_held = self._change(
            attempt,
            self._is_held(attempt),
            self._attempts.c.due_at <= now_ms() + int(early * 1000),
            due_at=now_ms() + int(lease * 1000),
            fence=held.fence,
        )
        return held if is_held else None

    def _is_held(self, attempt: Attempt) -> ColumnElement[bool]:
        return self._attempts.c.fence == attempt.fence

    def rest(self, attempt: Attempt, *, seconds: float) -> None:
        """Let nobody ask about the attempt for so long."""
        self._change(attempt, self._is_held(attempt), due_at=now_ms() + int(seconds * 1000))

    def close(self, attempt: Attempt, *, failure: str) -> None:
        """Note that no payment came of the attempt, and none will; for its holder alone."""
        is_undecided = self._attempts.c.state == "asked"
        self._change(
            attempt,
            self._is_held(attempt),
            is_undecided,
            state="rejected",
            failure=failure[:255],
            request=None,
        )

    def note_payment(
        self,
        attempt: Attempt,
        payment_id: str | None,
        state: str,
        *,
        failure: str | None = None,
        next_url: str | None = None,
        rest: float = 0.0,
    ) -> None:
        """Note the attempt's payment as PaySafer has it now, unless all is decided.

        That it is paid may be told by anybody, at any time; all else by the holder.
        """
        is_undecided = self._attempts.c.state.not_in(FINAL)
        self._change(
            attempt,
            is_undecided if state in FINAL else and_(is_undecided, self._is_held(attempt)),
            payment_id=payment_id,
            state=state[:64],
            failure=failure and failure[:255],
            next_url=next_url,
            request=None,
            due_at=now_ms() + int(rest * 1000),
        )

    def note_payment_id(self, attempt: Attempt, payment_id: str) -> None:
        """Note which payment came of the attempt; what it is now is asked next."""
        attempts = self._attempts.c
        is_news = or_(attempts.payment_id.is_(None), attempts.payment_id == payment_id)
        self._change(attempt, is_news, payment_id=payment_id, due_at=now_ms())

    def _change(self, attempt: Attempt, *conditions: ColumnElement[bool], **values: Any) -> bool:
        change = (
            update(self._attempts)
            .where(self._is(attempt.reference, attempt.number), *conditions)
            .values(**values)
        )
        with self._database.transaction() as connection:
            return connection.execute(change).rowcount == 1

    def other_payment(self, attempt: Attempt) -> str | None:
        """Return the payment of another attempt that paid the same order, or None."""
        attempts = self._attempts.c
        other = select(attempts.payment_id).where(
            self._is(attempt.reference),
            attempts.number != attempt.number,
            attempts.state == "succeeded",
        )
        with self._database.connected() as connection:
            payment_id: str | None = connection.execute(other.limit(1)).scalar()
        return payment_id
