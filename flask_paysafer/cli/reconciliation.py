"""Compare the API's payments with the inbox, and have what was missed handled, each change once.

Follows the three steps of :mod:`flask_paysafer.inbox.reconciliation`. Payments are read newest
first, at the pace of the rate limit, of which a fifth is left to the shop.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

from ..client import PaySaferClient
from ..errors import InvalidPayloadError, PayloadUnreadableError, RateLimitError
from ..events import Event
from ..inbox.reconciliation import NOTICE, REFUNDED, Fact, refunded_sum
from ..inbox.records import Claim, State, is_settled
from ..inbox.store import Inbox
from ..pagination import Page
from ..profile import ApiProfile
from ..resources import Payment
from ..state import AppState
from ..translation import event_around
from ..webhooks.runner import wait_before

RESERVE = 0.2
"""The part of the rate limit that is left to the shop."""

_PAGE = 100
_UNTOLD_WAIT = 10.0
_PAST_RESET = 0.5


class Batch(NamedTuple):
    """A page of payments, and when it was asked for (unix seconds)."""

    payments: list[Payment]
    seen_at: int


class PaymentPages:
    """One walk back to ``since``.

    :param since: Unix seconds.
    :param after: The id of the payment where an earlier walk stopped.
    """

    def __init__(
        self,
        client: PaySaferClient,
        *,
        since: int,
        after: str | None = None,
        sleep: Callable[[float], object] = time.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._since = since
        self._after = after
        self._sleep = sleep
        self._wall = wall

    def __iter__(self) -> Iterator[Batch]:
        seen_at = int(self._wall())
        page = self._ask(self._first)
        while page is not None:
            yield Batch(page.data, seen_at)
            seen_at = int(self._wall())
            page = self._ask(page.next_page)

    def _first(self) -> Page[Payment] | None:
        return self._client.payments.list(
            limit=_PAGE, created={"gte": self._since}, starting_after=self._after
        )

    def _ask(self, get: Callable[[], Page[Payment] | None]) -> Page[Payment] | None:
        while True:
            self._sleep_if_little_is_left()
            try:
                return get()
            except RateLimitError as error:
                self._sleep(error.retry_after or self._until_reset() or _UNTOLD_WAIT)

    def _sleep_if_little_is_left(self) -> None:
        known = self._client.rate_limit
        if known is not None and known.remaining <= known.limit * RESERVE:
            wait = self._until_reset()
            if wait:
                self._sleep(wait)

    def _until_reset(self) -> float:
        known = self._client.rate_limit
        if known is None or known.reset_at is None:
            return 0.0
        left = known.reset_at.timestamp() - self._wall()
        return left + _PAST_RESET if left > 0 else 0.0


_BY_STATUS = {"succeeded": "payment.completed", "failed": "payment.failed"}


def facts_of(payment: Payment) -> Iterator[Fact]:
    """Yield what must have happened to the payment, in the order in which it did."""
    yield Fact("payment.created", payment["id"])
    outcome = _BY_STATUS.get(getattr(payment, "status", ""))
    if outcome is not None:
        yield Fact(outcome, payment["id"])
    refunded = refunded_sum(payment)
    if refunded is not None:
        yield Fact(REFUNDED, payment["id"], refunded)


def event_of(
    fact: Fact, payment: Payment, *, seen_at: int, profile: ApiProfile
) -> tuple[Event, bytes]:
    """Return an event of our own that tells of the fact, and its bytes.

    Its id is the fact's name, ``data`` is the payment as it is now, ``created`` is when it
    was looked at, and ``reconciled`` marks it as ours.

    :raises InvalidPayloadError: if PaySafer's payment has an id that no event could have.
    """
    fields = {
        "id": fact.name,
        "object": "event",
        "type": fact.type,
        "created": seen_at,
        "data": payment,
        "reconciled": True,
    }
    payload = json.dumps(event_around(profile, fields), ensure_ascii=False).encode()
    return Event.from_json(payload, profile), payload


_ADD = (
    "INSERT INTO seen VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)"  # NULL if either is
)


class Seen:
    """A set of facts, of which a greater sum given back covers a smaller one."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        # No name: a file that SQLite keeps to itself and deletes with the connection.
        self._file = sqlite3.connect("")
        self._file.execute(
            "CREATE TABLE seen (type TEXT, object_id TEXT, amount INTEGER, "
            "PRIMARY KEY (type, object_id)) WITHOUT ROWID"
        )
        self._file.executemany(_ADD, facts)

    def covers(self, fact: Fact) -> bool:
        """Whether an event reported the fact."""
        query = (
            "SELECT 1 FROM seen WHERE type = ? AND object_id = ? "
            "AND (amount IS NULL OR amount >= ?)"
        )
        return self._file.execute(query, fact).fetchone() is not None

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._file.close()


_Standing = dict[Fact, tuple[int, State | None]]


class MissedChange(NamedTuple):
    """A change that a handler is for and that was not handled."""

    fact: Fact
    payment: Payment
    event_key: int | None = None
    """The row of the event that an earlier reconcile made of it, and that is not done."""


class Search:
    """Finds what was missed.

    :param wants: Whether anything is to be done about a type of event.
    """

    def __init__(self, inbox: Inbox, seen: Seen, wants: Callable[[str], bool]) -> None:
        self._inbox = inbox
        self._seen = seen
        self._wants = wants

    def missed(self, payments: Sequence[Payment]) -> list[MissedChange]:
        """Return what was missed of these payments, each one's in the order it happened."""
        unseen = [
            MissedChange(fact, payment)
            for payment in payments
            for fact in facts_of(payment)
            if self._wants(fact.type) and not self._seen.covers(fact)
        ]
        if not unseen:
            return []
        standing = self._inbox.facts.standing([missed.fact.object_id for missed in unseen])
        return [found for missed in unseen if (found := _still_missed(missed, standing))]


def _still_missed(missed: MissedChange, standing: _Standing) -> MissedChange | None:
    """Return what is left to do, or None if an earlier reconcile did it."""
    found = [at for fact, at in standing.items() if _covers(fact, missed.fact)]
    if not found:
        return missed
    if any(is_settled(state) for _, state in found):
        return None
    return missed._replace(event_key=found[0][0])


def _covers(standing: Fact, fact: Fact) -> bool:
    same = standing.type == fact.type and standing.object_id == fact.object_id
    return same and (standing.amount or 0) >= (fact.amount or 0)


Outcome = Literal["handled", "failed", "busy", "arrived"]
"""What became of a missed fact. ``arrived``: its event came in just now and takes its usual way."""

_WAIT = 1.5 * NOTICE
_OUTCOMES: dict[str, Outcome] = {"done": "handled", "failed": "failed", "busy": "busy"}


class Apply:
    """Handles what was missed.

    :param late_key: The row from which on events may have come in after they were compared.
    """

    def __init__(
        self, state: AppState, *, late_key: int, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._state = state
        self._late_key = late_key
        self._sleep = sleep
        self._is_noticed = False

    def apply(
        self, missed: Sequence[MissedChange], *, seen_at: int
    ) -> Iterator[tuple[MissedChange, Outcome]]:
        """Handle these facts; yield what became of each."""
        facts = self._state.inbox.facts
        new = [one.fact for one in missed if one.event_key is None]
        for fact in new:
            facts.propose(fact, seen_at=seen_at)
        if new and not self._is_noticed:
            self._sleep(_WAIT)
        ids = {fact.object_id for fact in new}
        with Seen(facts.told_by_events(self._late_key, ids) if ids else ()) as late:
            for one in missed:
                yield one, self._handle(one, late, seen_at)

    def _handle(self, missed: MissedChange, late: Seen, seen_at: int) -> Outcome:
        if missed.event_key is not None:
            return self._handle_again(missed.event_key)
        if late.covers(missed.fact):
            self._state.inbox.facts.withdraw(missed.fact)
            return "arrived"
        try:
            event, payload = event_of(
                missed.fact, missed.payment, seen_at=seen_at, profile=self._state.config.profile
            )
        except InvalidPayloadError:
            return "failed"
        claim = self._state.inbox.record_fact(missed.fact, event, payload)
        if claim is None:
            return "arrived"
        # From now on there always is a fact, so that no worker can miss that there are any.
        self._is_noticed = True
        self._state.event_run.announce(event)
        return self._run(claim, event)

    def _handle_again(self, event_key: int) -> Outcome:
        stored = self._state.inbox.claims.take_stored(event_key)
        if stored is None:
            return "busy"
        try:
            event = stored.read(self._state.config.profile)
        except PayloadUnreadableError as error:
            return _OUTCOMES[self._state.event_run.give_up(stored.claim, None, error)]
        return self._run(stored.claim, event)

    def _run(self, claim: Claim, event: Event) -> Outcome:
        return _OUTCOMES[self._state.event_run.run(claim, event, retry_in=self._retry_in)]

    @property
    def _retry_in(self) -> float | None:
        """Seconds until the shop's workers try again what fails; None where there are none."""
        config = self._state.config
        if config.dispatch == "inline":
            return None
        return wait_before(1, base=config.handler_retry_base, jitter=random.random)
