"""Reconcile and the real event at the same time: one of them is handled, never both."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flask_paysafer.events import Event
from flask_paysafer.inbox.reconciliation import Fact, Facts
from tests.databases import KINDS
from tests.inbox.events import event_body

from .conftest import OpenShop
from .shops import Shop

FACT = Fact("payment.completed", "pay_1")
SEEN_AT = 1709472000


@pytest.fixture
def mode() -> str:
    return "flask-sqlalchemy"


@pytest.fixture
def handled(shop: Shop) -> list[str]:
    ids: list[str] = []
    shop.on("payment.*", name="fulfil")(lambda event: ids.append(event.id))
    return ids


class Reconciler:
    """The steps of one reconcile, one at a time."""

    def __init__(self, shop: Shop, fact: Fact = FACT) -> None:
        self.shop, self.fact = shop, fact
        data = {"id": fact.object_id, "amount_refunded": fact.amount}
        self.body = event_body(fact.name, type=fact.type, created=SEEN_AT, data=data)
        self.gave_way = False

    def propose(self) -> None:
        self.shop.inbox.facts.propose(self.fact, seen_at=SEEN_AT)

    def look(self) -> None:
        # The wait between these two steps is modelled by a clock that always has moved on.
        if any(self.shop.inbox.facts.told_by_events(0, [self.fact.object_id])):
            self.shop.inbox.facts.withdraw(self.fact)
            self.gave_way = True

    def run(self) -> str | None:
        if self.gave_way:
            return None
        event = Event.from_json(self.body)
        claim = self.shop.inbox.record_fact(self.fact, event, self.body)
        return claim and self.shop.run.run(claim, event)

    def do_all(self) -> str | None:
        self.propose()
        self.look()
        return self.run()


class Worker:
    """The steps of one delivery of the real event, one at a time."""

    def __init__(self, shop: Shop, body: bytes) -> None:
        self.shop, self.body = shop, body

    def record(self) -> None:
        self.event = Event.from_json(self.body)
        self.recorded = self.shop.inbox.record(self.event, self.body, verified_with=None)

    def dispatch(self) -> None:
        self.result = self.shop.dispatcher.dispatch(self.recorded, self.event)


def always_looks(shop: Shop) -> None:
    """Let every worker notice at once that there are facts."""
    ticks = itertools.count(0, 10)
    inbox = shop.inbox
    inbox.facts = Facts(
        inbox.database, inbox.seal, account=inbox.account, clock=lambda: next(ticks)
    )


@pytest.fixture(autouse=True)
def time_flies(shop: Shop) -> None:
    always_looks(shop)


def interleavings(first: list[Any], second: list[Any]) -> Iterator[list[Any]]:
    """Yield every order of all steps that keeps each side's own."""
    if not first or not second:
        yield first + second
        return
    yield from ([first[0], *rest] for rest in interleavings(first[1:], second))
    yield from ([second[0], *rest] for rest in interleavings(first, second[1:]))


ORDERS = list(interleavings(["propose", "look", "run"], ["record", "dispatch"]))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_the_fact_is_handled_once_in_every_order_of_steps(
    shop: Shop, handled: list[str], order: list[str]
) -> None:
    reconciler, worker = Reconciler(shop), Worker(shop, event_body("evt_1"))
    steps: dict[str, Callable[[], object]] = {
        "propose": reconciler.propose,
        "look": reconciler.look,
        "run": reconciler.run,
        "record": worker.record,
        "dispatch": worker.dispatch,
    }
    for step in order:
        steps[step]()
    shop.deliver(event_body("evt_1"))
    Reconciler(shop).do_all()

    assert len(handled) == 1
    assert shop.inbox.claims.state_of(worker.recorded.key) == "done"


def test_the_real_event_does_nothing_again_and_says_why(shop: Shop, handled: list[str]) -> None:
    Reconciler(shop).do_all()

    delivered = shop.deliver(event_body("evt_1"))

    assert handled == ["payment.completed:pay_1"]
    assert delivered.result == "done"
    with shop.inbox.database.connected() as connection:
        event = shop.inbox.database.tables.event
        handled_as = dict(
            connection.execute(
                event.select().with_only_columns(event.c.event_id, event.c.handled_as)
            ).all()
        )
    assert handled_as["evt_1"] == "payment.completed:pay_1"


# Not on SQLite: there nobody can store anything while a handler writes.
@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_a_real_event_waits_while_reconcile_handles_the_fact(shop: Shop) -> None:
    results = []

    @shop.on("payment.completed", name="slow")
    def slow(event: Event) -> None:
        if event.id != "evt_1":
            results.append(shop.deliver(event_body("evt_1")).result)

    Reconciler(shop).do_all()

    assert results == ["busy"]
    assert shop.deliver(event_body("evt_1")).result == "done"


def test_a_failed_reconcile_is_carried_on_by_the_real_event(shop: Shop) -> None:
    calls: list[tuple[str, str]] = []

    @shop.on("payment.completed", name="mail")
    def mail(event: Event) -> None:
        calls.append(("mail", event.id))

    @shop.on("payment.completed", name="ship")
    def ship(event: Event) -> None:
        calls.append(("ship", event.id))
        if len(calls) < 3:
            raise RuntimeError("the warehouse is closed")

    assert Reconciler(shop).do_all() == "failed"
    assert shop.deliver(event_body("evt_1")).result == "done"
    # The same event in both attempts, so that its idempotency keys are the same.
    assert [name for name, _ in calls] == ["mail", "ship", "ship"]
    assert {event_id for _, event_id in calls} == {"payment.completed:pay_1"}


def test_a_real_event_fails_with_the_fact_it_follows(shop: Shop) -> None:
    @shop.on("payment.completed", name="ship")
    def ship(event: Event) -> None:
        raise RuntimeError("the warehouse is closed")

    Reconciler(shop).do_all()
    delivered = shop.deliver(event_body("evt_1"))

    assert delivered.result == "failed"
    assert shop.inbox.claims.state_of(delivered.recorded.key) == "failed"


def test_a_reconcile_that_died_before_its_fact_stood_holds_up_nothing(
    shop: Shop, handled: list[str]
) -> None:
    Reconciler(shop).propose()

    assert shop.deliver(event_body("evt_1")).result == "done"
    assert Reconciler(shop).run() is None
    assert handled == ["evt_1"]


@pytest.mark.parametrize(
    ("told", "expected"), [(200, "follows"), (500, "follows"), (501, "runs"), (None, "follows")]
)
def test_a_sum_given_back_covers_smaller_ones(
    shop: Shop, handled: list[str], told: int | None, expected: str
) -> None:
    Reconciler(shop, Fact("payment.refunded", "pay_1", 500)).do_all()
    handled.clear()
    data = {} if told is None else {"amount_refunded": told}

    shop.deliver(event_body("evt_1", type="payment.refunded", data=data))

    assert handled == (["evt_1"] if expected == "runs" else [])


@pytest.mark.parametrize(("later", "expected"), [(0, []), (1, ["evt_1"])])
def test_a_payment_that_fails_again_later_is_news(
    shop: Shop, handled: list[str], later: int, expected: list[str]
) -> None:
    Reconciler(shop, Fact("payment.failed", "pay_1")).do_all()
    handled.clear()

    shop.deliver(event_body("evt_1", type="payment.failed", created=SEEN_AT + later))

    assert handled == expected


def test_other_payments_and_types_are_not_touched(shop: Shop, handled: list[str]) -> None:
    Reconciler(shop).do_all()
    handled.clear()

    shop.deliver(event_body("evt_1", data={"id": "pay_2"}))
    shop.deliver(event_body("evt_2", type="payment.created"))

    assert handled == ["evt_1", "evt_2"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("odd", ["pay_\x00", 5, None])
def test_object_whose_id_no_database_can_hold_follows_nothing(
    shop: Shop, handled: list[str], odd: object
) -> None:
    Reconciler(shop).do_all()

    assert shop.deliver(event_body("evt_1", data={"id": odd})).result == "done"
    assert handled == ["payment.completed:pay_1", "evt_1"]


def test_another_workers_shop_follows_too(
    shop: Shop, handled: list[str], open_shop: OpenShop
) -> None:
    other = open_shop()
    always_looks(other)
    other.on("payment.completed", name="fulfil")(lambda event: handled.append(event.id))
    Reconciler(shop).do_all()

    assert other.deliver(event_body("evt_1")).result == "done"
    assert handled == ["payment.completed:pay_1"]


def test_two_reconciles_handle_a_fact_once(shop: Shop, handled: list[str]) -> None:
    one, two = Reconciler(shop), Reconciler(shop)
    one.propose()
    two.propose()
    one.look()
    two.look()

    assert [one.run(), two.run()] == ["done", None]
    assert len(handled) == 1


def test_the_event_of_a_fact_is_stored_as_it_was_handled(shop: Shop) -> None:
    reconciler = Reconciler(shop)
    reconciler.do_all()

    key, state = shop.inbox.facts.standing(["pay_1"])[FACT]
    stored = shop.inbox.claims.take_stored(key)

    assert state == "done"
    assert stored is None
    assert json.loads(reconciler.body)["id"] == FACT.name


class TestNotice:
    """While there are no facts, an event costs no look at them."""

    def test_looks_once_a_second_while_there_are_none(self, shop: Shop) -> None:
        now = [100.0]
        inbox = shop.inbox
        facts = Facts(inbox.database, inbox.seal, account="paysafer", clock=lambda: now[0])
        event = Event.from_json(event_body("evt_1"))
        assert facts.leader_of(event) is None
        Reconciler(shop).do_all()

        assert facts.leader_of(event) is None
        now[0] += 0.99
        assert facts.leader_of(event) is None
        now[0] += 0.01
        leader = facts.leader_of(event)
        assert leader is not None
        assert leader[0] == FACT.name
