"""Facts: what a payment's state proves to have happened, whichever event tells of it.

``reconcile`` finds facts at the API that no event told of, and has them handled as events
of its own making. The real event, with an id that nobody could know, may come at any
moment, also at this very one. Both must not be handled:

1. Reconcile commits a row for the fact, which does not *stand* yet.
2. It waits until every worker must have noticed that there are such rows, and looks for
   the real event among those that came in meanwhile. There is one: it gives way.
3. Else it lets the fact stand and stores its own event, in one commit. From then on the
   real event follows that one: it is done when that one is done.

A worker looks after it has committed the real event and before it runs a handler. A fact
that does not stand is deleted, so that step 3 fails. As each side commits before it looks,
at least one of them sees the other; the row, which either stands or is gone, decides.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, delete, select, update

from ..errors import PayloadUnreadableError
from ..events import Event
from ..profile import ApiProfile
from .database import Database, InsertAbsent, insert_absent
from .encryption import Seal
from .records import State, amount_refunded_in, object_id_of

REFUNDED = "payment.refunded"
FACT_TYPES = ("payment.created", "payment.completed", "payment.failed", REFUNDED)
"""The types of events whose facts show in a payment."""

NOTICE = 1.0
"""Seconds after which every worker knows that there are facts, at the latest."""

_PAGE = 1000


class Fact(NamedTuple):
    """Something that happened to a payment."""

    type: str
    object_id: str
    amount: int | None = 0
    """For refunds: the sum given back by then, in minor units. A greater sum covers a smaller.

    None where an event does not say: it covers any, for better one is missed than done twice."""

    @property
    def name(self) -> str:
        """What its event is called, such as ``payment.completed:pay_1``."""
        base = f"{self.type}:{self.object_id}"
        return f"{base}:{self.amount}" if self.amount else base


class Facts:
    """The facts of one account.

    :param profile: Whose words the stored events are in.
    :param clock: Seconds by a clock that never goes back.
    :raises InboxUnavailableError: from every method, if the database can't be used.
    """

    def __init__(
        self,
        database: Database,
        seal: Seal,
        *,
        account: str,
        profile: ApiProfile | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._profile = profile
        self._seal = seal
        self._account = account
        self._clock = clock
        self._looked_at = float("-inf")
        self._has_any = False
        fact = self._fact = database.tables.fact
        self._is_it = and_(
            fact.c.account == account,
            fact.c.type == bindparam("of_type"),
            fact.c.object_id == bindparam("of_object"),
            fact.c.amount == bindparam("of_amount"),
        )
        self._any = select(fact.c.account).where(fact.c.account == account).limit(1)
        self._of_object = (
            select(fact)
            .where(
                fact.c.account == account,
                fact.c.type == bindparam("of_type"),
                fact.c.object_id == bindparam("of_object"),
            )
            .order_by(fact.c.amount)
        )

    @cached_property
    def _insert(self) -> InsertAbsent:
        return insert_absent(self._database.dialect, self._fact, {})

    def leader_of(self, event: Event) -> tuple[str, int] | None:
        """Return name and row of reconcile's event for the same fact; None to go ahead.

        Costs nothing while the account has no facts, but one look in every second.
        """
        if event.type not in FACT_TYPES or not self._may_have_any():
            return None
        covering = [_fact_of(row) for row in self._rows_of(event) if _covers(row, event)]
        return next((leader for fact in covering if (leader := self._leader(fact))), None)

    def _leader(self, fact: Fact) -> tuple[str, int] | None:
        """Return the fact's event if the fact stands; else see that it never will."""
        key = self._standing_key(fact)
        if key is None and not self.withdraw(fact):
            key = self._standing_key(fact)  # it came to stand just now, or another withdrew it
        return None if key is None else (fact.name, key)

    def _standing_key(self, fact: Fact) -> int | None:
        found = select(self._fact.c.event_key).where(self._is_it, self._fact.c.stands)
        with self._database.connected() as connection:
            key: int | None = connection.scalar(found, _asked(fact))
        return key

    def _may_have_any(self) -> bool:
        now = self._clock()
        if now - self._looked_at >= NOTICE:
            with self._database.connected() as connection:
                self._has_any = connection.scalar(self._any) is not None
            self._looked_at = now
        return self._has_any

    def _rows_of(self, event: Event) -> Sequence[Row[Any]]:
        object_id = object_id_of(event)
        if object_id is None:
            return ()
        asked = {"of_type": event.type, "of_object": object_id}
        with self._database.connected() as connection:
            return connection.execute(self._of_object, asked).all()

    def propose(self, fact: Fact, *, seen_at: int) -> None:
        """Commit a row for the fact, which does not stand yet."""
        row = {
            "account": self._account,
            "type": fact.type,
            "object_id": fact.object_id,
            "amount": fact.amount,
            "seen_at": seen_at,
            "stands": False,
            "event_key": None,
        }
        with self._database.transaction() as connection:
            self._insert(connection, row)

    def withdraw(self, fact: Fact) -> bool:
        """Delete the row unless it stands; False if it stands or is gone."""
        withdrawal = delete(self._fact).where(self._is_it, ~self._fact.c.stands)
        with self._database.transaction() as connection:
            return connection.execute(withdrawal, _asked(fact)).rowcount == 1

    def let_stand(self, connection: Connection, fact: Fact) -> bool:
        """Let the fact stand; False if it does already, or was withdrawn."""
        standing = update(self._fact).where(self._is_it, ~self._fact.c.stands).values(stands=True)
        return connection.execute(standing, _asked(fact)).rowcount == 1

    def tie(self, connection: Connection, fact: Fact, event_key: int) -> None:
        """Note which event stands for the fact."""
        tied = update(self._fact).where(self._is_it).values(event_key=event_key)
        connection.execute(tied, _asked(fact))

    def note_follower(self, connection: Connection, event_key: int, name: str) -> None:
        """Note on a real event that it was handled as the fact's."""
        event = self._database.tables.event
        noted = update(event).where(event.c.key == event_key).values(handled_as=name[:255])
        connection.execute(noted)

    def standing(self, object_ids: Sequence[str]) -> dict[Fact, tuple[int, State | None]]:
        """Return the facts that stand, each with its event's row and state (None: pruned)."""
        fact, event = self._fact, self._database.tables.event
        query = (
            select(fact.c.type, fact.c.object_id, fact.c.amount, fact.c.event_key, event.c.state)
            .join_from(fact, event, event.c.key == fact.c.event_key, isouter=True)
            .where(fact.c.account == self._account, fact.c.object_id.in_(object_ids))
            .where(fact.c.stands)
        )
        with self._database.connected() as connection:
            rows = connection.execute(query).all()
        return {Fact(*row[:3]): (row.event_key, row.state) for row in rows}

    def told_by_events(
        self, first_key: int, object_ids: Iterable[str] | None = None
    ) -> Iterator[Fact]:
        """Yield the facts that real events told of, from a row on, in constant memory.

        Pruned events are among them: type, object and sum are kept.

        :param object_ids: Only of these payments.
        """
        event = self._database.tables.event
        columns = (event.c.key, event.c.event_id, event.c.type, event.c.object_id)
        query = (
            select(*columns, event.c.amount_refunded)
            .where(event.c.account == self._account, event.c.type.in_(FACT_TYPES))
            .where(event.c.object_id.is_not(None), event.c.key >= bindparam("from_key"))
            .order_by(event.c.key)
            .limit(_PAGE)
        )
        if object_ids is not None:
            query = query.where(event.c.object_id.in_(list(object_ids)))
        while rows := self._page(query, first_key):
            first_key = rows[-1].key + 1
            # Reconcile's own events are named after their facts; they tell of nothing new.
            real = [row for row in rows if not row.event_id.startswith(f"{row.type}:")]
            unknown = [
                row.key for row in real if row.type == REFUNDED and row.amount_refunded is None
            ]
            sums = self._refunded(unknown)
            for row in real:
                amount = row.amount_refunded if row.type == REFUNDED else 0
                yield Fact(row.type, row.object_id, sums.get(row.key, amount))

    def _page(self, query: Any, first_key: int) -> Sequence[Row[Any]]:
        with self._database.connected() as connection:
            return connection.execute(query, {"from_key": first_key}).all()

    def _refunded(self, keys: list[int]) -> dict[int, int | None]:
        """Return the sums in the payloads of refunds that a release without the column stored."""
        if not keys:
            return {}
        event = self._database.tables.event
        bodies = select(event.c.key, event.c.payload, event.c.encrypted)
        is_full = event.c.state != "pruned"
        with self._database.connected() as connection:
            rows = connection.execute(bodies.where(event.c.key.in_(keys), is_full)).all()
        return {row.key: self._sum_in(row) for row in rows}

    def _sum_in(self, row: Any) -> int | None:
        try:
            payload = self._seal.open(row.payload, encrypted=row.encrypted)
        except PayloadUnreadableError:
            return None
        return amount_refunded_in(Event.from_json(payload, self._profile))


def refunded_sum(payment: Any) -> int | None:
    """Return what has been given back of a payment, or None if it doesn't say."""
    amount = getattr(payment, "amount_refunded", None)
    return amount if type(amount) is int and amount > 0 else None


def _asked(fact: Fact) -> dict[str, Any]:
    return {"of_type": fact.type, "of_object": fact.object_id, "of_amount": fact.amount}


def _fact_of(row: Any) -> Fact:
    return Fact(row.type, row.object_id, row.amount)


def _covers(row: Any, event: Event) -> bool:
    """Whether the fact is what the event tells of."""
    told = refunded_sum(event.data)
    if event.type == REFUNDED and told is not None:
        return told <= int(row.amount)
    # It is created and completed once. What can happen again is new if it came later.
    is_repeatable = event.type in ("payment.failed", REFUNDED)
    return not is_repeatable or event.created <= int(row.seen_at)
