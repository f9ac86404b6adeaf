"""Keep what the checkout knows: one row per order, one per attempt to pay it.

The rows decide who may create a payment: an attempt exists only if its number was the next
one and no other attempt of that order could still be charged. Every change is committed
before PaySafer is asked, so that a killed worker leaves a row from which another one finds
out, with the same key and the same words, what became of the payment.

What happens to an order is told in the same commit: ``checkout.authorised`` and
``checkout.paid`` with the attempt's new state, ``checkout.expired`` with the order's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from ..errors import InboxUnavailableError
from ..money import Money
from .attempts import CLOSED, FINAL, Attempt, OrderRecord
from .database import Database, InsertAbsent, insert_absent, now_ms
from .encryption import Seal
from .local import LocalEvents, WrittenEvent

SWEEP_AGAIN = 30_000
"""Milliseconds until the sweep looks again at an order that could not be ended."""

MOST_ATTEMPTS = 60
"""How many attempts of an order are read: those that count, and the latest."""


class _NotNextError(Exception):
    """Undoes a transaction: another attempt was quicker, or the order takes none."""


class CheckoutStore:
    """The checkout's rows of one account.

    :param events: Writes the checkout's local events.
    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(
        self,
        database: Database,
        *,
        account: str,
        seal: Seal | None = None,
        events: LocalEvents | None = None,
    ) -> None:
        self._database = database
        self._account = account
        self._seal = seal or Seal()
        self._events = events
        self._orders = database.tables.checkout
        self._attempts = database.tables.checkout_attempt

    @cached_property
    def _insert_order(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._orders, {"created_at": now_ms()})

    # Reading

    def order(self, reference: str, *, within: Connection | None = None) -> OrderRecord | None:
        """Return what is stored of an order, or None.

        :param within: Read through this connection. In a handler it has to be the one of
            the shop's session: a database in memory has but one, and returning it to the
            pool would undo what the handler has written.
        """
        orders, attempts = self._orders.c, self._attempts.c
        chosen = (
            self._choice(left=True)
            .where(self._is_order(reference))
            .order_by(
                case((attempts.state.in_(FINAL), 0), (attempts.state.in_(CLOSED), 2), else_=1),
                attempts.number.desc(),
            )
            .add_columns(
                orders.reference.label("order_reference"),
                orders.attempts.label("attempt_count"),
                orders.closed_at,
                orders.created_at,
            )
        )
        rows = self._all(chosen.limit(MOST_ATTEMPTS), within)
        if not rows:
            return None
        first = rows[0]
        return OrderRecord(
            reference=first.order_reference,
            shop=first.shop,
            count=first.attempt_count,
            attempts=tuple(self._attempt(row) for row in rows if row.number is not None),
            closed=first.closed_at is not None,
            expired=first.expired_at is not None,
            expires_at=_seconds(first.expires_at),
            created_at=first.created_at / 1000,
        )

    def current(self, reference: str, *, within: Connection | None = None) -> Attempt | None:
        """Return the attempt that counts: what was paid, else what is open, else the latest."""
        record = self.order(reference, within=within)
        return None if record is None else record.current

    def attempt(self, reference: str, number: int) -> Attempt | None:
        """Return one attempt, or None."""
        rows = self._all(self._choice().where(self._is(reference, number)), None)
        return self._attempt(rows[0]) if rows else None

    def attempt_of_payment(
        self, reference: str, payment_id: str, *, within: Connection | None = None
    ) -> Attempt | None:
        """Return the order's attempt that made this payment, or None."""
        same = self._attempts.c.payment_id == payment_id
        rows = self._all(self._choice().where(self._is(reference), same).limit(1), within)
        return self._attempt(rows[0]) if rows else None

    def due(self, *, at_most: int = 50) -> list[str]:
        """Return the references of orders that have expired, or were closed while one was open."""
        orders = self._orders.c
        chosen = (
            select(orders.reference)
            .where(orders.account == self._account, orders.due_at <= now_ms())
            .order_by(orders.due_at)
            .limit(at_most)
        )
        with self._database.connected() as connection:
            return list(connection.execute(chosen).scalars())

    def _choice(self, *, left: bool = False) -> Select[Any]:
        orders, attempts = self._orders, self._attempts
        same_order = and_(
            orders.c.account == attempts.c.account, orders.c.reference == attempts.c.reference
        )
        age = (now_ms() - attempts.c.begun_at).label("age")
        columns = (attempts, orders.c.shop, orders.c.expires_at, orders.c.expired_at, age)
        return select(*columns).join_from(orders, attempts, same_order, isouter=left)

    def _all(self, chosen: Select[Any], within: Connection | None) -> list[Row[Any]]:
        if within is not None:
            return list(within.execute(chosen).all())
        with self._database.connected() as connection:
            return list(connection.execute(chosen).all())

    def _is_order(self, reference: str) -> ColumnElement[bool]:
        orders = self._orders.c
        return and_(orders.account == self._account, orders.reference == reference)

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
            refunded=row.refunded or 0,
            fence=row.fence,
            misses=row.misses or 0,
            begun_at=row.begun_at / 1000,
            updated_at=(row.updated_at or row.begun_at) / 1000,
            age=row.age / 1000,
            expires_at=_seconds(row.expires_at),
            order_expired=row.expired_at is not None,
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

    # Beginning an attempt

    def shop_of(self, reference: str, *, default: str) -> str:
        """Return the installation id of this order's payments; ``default`` for a new order."""
        with self._database.transaction() as connection:
            self._insert_order(connection, self._order_row(reference, default, None))
        with self._database.connected() as connection:
            chosen = select(self._orders.c.shop).where(self._is_order(reference))
            shop: str = connection.execute(chosen).scalar_one()
        return shop

    def begin(
        self,
        attempt: Attempt,
        *,
        lease: float,
        known: bool = True,
    ) -> bool:
        """Store a new attempt, held by the caller for ``lease`` seconds.

        :param known: Whether the order has a row already.
        :returns: False if another one was quicker, or the order takes none now; then
            nothing was stored and nothing may be charged.
        """
        try:
            with self._database.transaction() as connection:
                if known:
                    self._insert_next(connection, attempt, lease)
                else:
                    self._insert_first(connection, attempt, lease)
        except (IntegrityError, _NotNextError):
            return False
        return True

    def _insert_first(self, connection: Connection, attempt: Attempt, lease: float) -> None:
        row = self._order_row(attempt.reference, attempt.shop, attempt.expires_at)
        connection.execute(
            insert(self._orders).values(created_at=now_ms()), row | {"attempts": attempt.number}
        )
        connection.execute(insert(self._attempts).values(self._row(attempt, lease)))

    def _insert_next(self, connection: Connection, attempt: Attempt, lease: float) -> None:
        # Inserted before anything is read: on MariaDB, a read for the update would lock
        # the gap that the next customer's row goes into, and both would wait.
        connection.execute(insert(self._attempts).values(self._row(attempt, lease)))
        orders = self._orders.c
        count = (
            update(self._orders)
            .where(
                self._is_order(attempt.reference),
                orders.attempts == attempt.number - 1,
                orders.closed_at.is_(None),
                orders.expired_at.is_(None),
                ~self._has_attempt(attempt.reference, but=attempt.number, not_in=CLOSED),
            )
            .values(attempts=attempt.number, **_expiry(attempt.expires_at))
        )
        if connection.execute(count).rowcount != 1:
            raise _NotNextError

    def _has_attempt(
        self, reference: str, *, not_in: frozenset[str], but: int = 0
    ) -> ColumnElement[bool]:
        attempts = self._attempts.c
        return exists().where(
            self._is(reference), attempts.number != but, attempts.state.not_in(not_in)
        )

    def _order_row(self, reference: str, shop: str, expires_at: float | None) -> dict[str, Any]:
        names = {"account": self._account, "reference": reference, "shop": shop}
        return {**names, "attempts": 0, **_expiry(expires_at)}

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
            "updated_at": now_ms(),
            "due_at": now_ms(),
            "held_until": now_ms() + int(lease * 1000),
            "fence": attempt.fence,
            "misses": 0,
            "refunded": 0,
        }

    # An attempt's life

    def hold(self, attempt: Attempt, *, lease: float, early: float = 0.0) -> Attempt | None:
        """Take the attempt for ``lease`` seconds, to find out what became of it.

        :param early: Take it although it rests for so many seconds more.
        :returns: The attempt as its holder has it; None while another worker holds it,
            or it rests.
        """
        held = replace(attempt, fence=attempt.fence + 1)
        held_until = self._attempts.c.held_until
        is_held = self._change(
            attempt,
            self._is_held(attempt),
            self._attempts.c.due_at <= now_ms() + int(early * 1000),
            or_(held_until.is_(None), held_until <= now_ms()),
            held_until=now_ms() + int(lease * 1000),
            fence=held.fence,
        )
        return held if is_held else None

    def _is_held(self, attempt: Attempt) -> ColumnElement[bool]:
        return self._attempts.c.fence == attempt.fence

    def rest(self, attempt: Attempt, *, seconds: float) -> Attempt:
        """Postpone the next question about the attempt, for no answer came."""
        misses = attempt.misses + 1
        pause = now_ms() + int(seconds * 1000)
        self._change(attempt, self._is_held(attempt), due_at=pause, misses=misses, held_until=None)
        return replace(attempt, misses=misses)

    def close(self, attempt: Attempt, *, failure: str) -> Attempt:
        """Note that no payment came of the attempt, and none will; for its holder alone."""
        is_undecided = self._attempts.c.state == "asked"
        closed: dict[str, Any] = {"state": "rejected", "failure": failure[:255], "request": None}
        is_changed = self._change(
            attempt, self._is_held(attempt), is_undecided, **closed, updated_at=now_ms()
        )
        return replace(attempt, **closed) if is_changed else self._reread(attempt)

    def note_payment(
        self,
        attempt: Attempt,
        payment_id: str | None,
        state: str,
        *,
        failure: str | None = None,
        next_url: str | None = None,
        rest: float = 0.0,
        about: Mapping[str, Any] | None = None,
    ) -> Attempt:
        """Note the attempt's payment as PaySafer has it now, unless all is decided.

        That it is paid may be noted by any worker, at any time; all else by the holder.

        :param about: What a local event about it tells beside the attempt.
        :returns: The attempt as it is stored then.
        """
        states = self._attempts.c.state
        is_undecided = states.not_in(FINAL)
        if state == "succeeded":
            is_undecided = states.not_in(FINAL - {"late"})
        noted: dict[str, Any] = {
            "payment_id": payment_id,
            "state": state[:64],
            "failure": failure and failure[:255],
            "next_url": next_url,
            "request": None,
            "misses": 0,
        }
        changed = replace(attempt, **noted)
        with self._telling() as (connection, written):
            is_changed = self._change_in(
                connection,
                attempt,
                is_undecided if state in FINAL else and_(is_undecided, self._is_held(attempt)),
                **noted,
                due_at=now_ms() + int(rest * 1000),
                held_until=None,
                updated_at=now_ms(),
            )
            if is_changed:
                written.append(self._tell_attempt(connection, attempt.state, changed, about or {}))
        return changed if is_changed else self._reread(attempt)

    def note_payment_id(self, attempt: Attempt, payment_id: str) -> None:
        """Note which payment came of the attempt; what it is now is asked next.

        A decline that named no payment has one now, which is there to be cancelled.
        """
        attempts = self._attempts.c
        is_news = or_(attempts.payment_id.is_(None), attempts.payment_id == payment_id)
        is_unknown = and_(attempts.state == "declined", attempts.payment_id.is_(None))
        # The state first: MariaDB assigns from left to right.
        state = case((is_unknown, "failed"), else_=attempts.state)
        asked_next = {"due_at": now_ms(), "held_until": None}
        self._change(attempt, is_news, state=state, payment_id=payment_id, **asked_next)

    def note_refund(self, attempt: Attempt, payment_id: str, refunded: int) -> None:
        """Note how much of the attempt's payment was given back; it never becomes less."""
        attempts = self._attempts.c
        is_more = func.coalesce(attempts.refunded, 0) < refunded
        is_same = or_(attempts.payment_id.is_(None), attempts.payment_id == payment_id)
        self._change(attempt, is_same, is_more, refunded=refunded)

    def _reread(self, attempt: Attempt) -> Attempt:
        return self.attempt(attempt.reference, attempt.number) or attempt

    def _change(self, attempt: Attempt, *conditions: ColumnElement[bool], **values: Any) -> bool:
        with self._database.transaction() as connection:
            return self._change_in(connection, attempt, *conditions, **values)

    def _change_in(
        self,
        connection: Connection,
        attempt: Attempt,
        *conditions: ColumnElement[bool],
        **values: Any,
    ) -> bool:
        change = (
            update(self._attempts)
            .where(self._is(attempt.reference, attempt.number), *conditions)
            .values(**values)
        )
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

    # An order's life

    def claim_payment(
        self, reference: str, payment_id: str, *, shop: str, within: Connection | None = None
    ) -> str:
        """Note the one payment that the order is fulfilled for, and return it.

        The first one that is claimed stays: of two at once, one gets the other's id.

        :param within: As in :meth:`order`: then it is committed with the handler's work.
        """
        if within is not None:
            return self._claim_payment(within, reference, payment_id, shop)
        with self._database.transaction() as connection:
            return self._claim_payment(connection, reference, payment_id, shop)

    def _claim_payment(
        self, connection: Connection, reference: str, payment_id: str, shop: str
    ) -> str:
        orders = self._orders.c
        claim = (
            update(self._orders)
            .where(self._is_order(reference), orders.payment_id.is_(None))
            .values(payment_id=payment_id)
        )
        if connection.execute(claim).rowcount != 1:
            row = self._order_row(reference, shop, None) | {"payment_id": payment_id}
            self._insert_order(connection, row)
        # Read for an update: on MariaDB a plain read shows what was there at the beginning.
        claimed = select(orders.payment_id).where(self._is_order(reference)).with_for_update()
        found: str = connection.execute(claimed).scalar_one()
        return found

    def note_expiry(self, reference: str, *, shop: str, expires_at: float) -> None:
        """Note when an order expires, so that the sweep finds it then."""
        with self._database.transaction() as connection:
            orders = self._orders.c
            change = (
                update(self._orders)
                .where(self._is_order(reference), orders.expired_at.is_(None))
                .values(**_expiry(expires_at))
            )
            if connection.execute(change).rowcount != 1:
                self._insert_order(connection, self._order_row(reference, shop, expires_at))

    def close_order(self, reference: str, *, shop: str) -> None:
        """Let no further attempt begin."""
        with self._database.transaction() as connection:
            self._insert_order(connection, self._order_row(reference, shop, None))
            connection.execute(
                update(self._orders)
                .where(self._is_order(reference), self._orders.c.closed_at.is_(None))
                .values(closed_at=now_ms(), due_at=now_ms())
            )

    def end_sweep(self, reference: str) -> None:
        """Look at a closed or paid order again only if an attempt is open still."""
        is_open = self._has_attempt(reference, not_in=CLOSED | FINAL | {"requires_capture"})
        again = case((is_open, now_ms() + SWEEP_AGAIN), else_=None)
        with self._database.transaction() as connection:
            connection.execute(
                update(self._orders).where(self._is_order(reference)).values(due_at=again)
            )

    def expire_order(self, record: OrderRecord) -> bool:
        """Note that the order has expired unpaid, and write ``checkout.expired``.

        :returns: False if it was paid, or an attempt could not be ended yet.
        """
        orders = self._orders.c
        change = (
            update(self._orders)
            .where(
                self._is_order(record.reference),
                orders.expired_at.is_(None),
                orders.closed_at.is_(None),
                not_(self._has_attempt(record.reference, not_in=CLOSED | {"late"})),
            )
            .values(expired_at=now_ms(), due_at=None)
        )
        with self._telling() as (connection, written):
            is_expired = connection.execute(change).rowcount == 1
            if is_expired:
                about = {"attempts": record.count, "expires_at": int(record.expires_at or 0)}
                written.append(
                    self._tell(connection, "checkout.expired", record.reference, record.shop, about)
                )
        if not is_expired:
            self.end_sweep(record.reference)
        return is_expired

    # Telling of it

    @contextmanager
    def _telling(self) -> Iterator[tuple[Connection, list[WrittenEvent | None]]]:
        """Give a transaction; the events that were written in it are handled after it."""
        written: list[WrittenEvent | None] = []
        with self._database.transaction() as connection:
            yield connection, written
        if self._events is not None:
            self._events.run(*written)

    def _tell_attempt(
        self, connection: Connection, former: str, attempt: Attempt, about: Mapping[str, Any]
    ) -> WrittenEvent | None:
        if attempt.state == former:
            return None
        told = {
            "payment": attempt.payment_id,
            "attempt": attempt.number,
            "amount": attempt.money.amount,
            "currency": attempt.money.currency,
            **about,
        }
        if attempt.is_authorised:
            event_type = "checkout.authorised"
        elif attempt.state == "succeeded":
            event_type = "checkout.paid"
        else:
            return None
        return self._tell(connection, event_type, attempt.reference, attempt.shop, told)

    def _tell(
        self,
        connection: Connection,
        event_type: str,
        reference: str,
        shop: str,
        about: Mapping[str, Any],
    ) -> WrittenEvent | None:
        if self._events is None:
            return None
        return self._events.write(
            connection,
            event_type,
            {"object": "checkout", "reference": reference, **about},
            created=int(time.time()),
            fact=(shop, reference),
        )


def _expiry(expires_at: float | None) -> dict[str, Any]:
    moment = None if expires_at is None else int(expires_at * 1000)
    return {"expires_at": moment, "due_at": moment}


def _seconds(moment: int | None) -> float | None:
    return None if moment is None else moment / 1000
