"""With db= a handler's writes and its ledger row are one transaction: exactly once."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag

import pytest
from sqlalchemy.exc import IntegrityError

from flask_paysafer.events import Event
from flask_paysafer.inbox.merchant import current_session
from tests.databases import KINDS, Kind
from tests.inbox.events import event_body

from .conftest import OpenShop, with_db
from .shops import Effect, Shop

pytestmark = with_db


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Every database: transactions are where they differ."""
    found: Kind = request.param
    return found


def test_writes_are_committed_with_the_ledger_row(shop: Shop) -> None:
    shop.on("payment.completed", name="h")(lambda event: shop.add(event.id))
    body = event_body("evt_1")

    assert shop.deliver(body).result == "done"
    assert shop.deliver(body).recorded.state == "done"
    assert shop.effects() == ["evt_1"]


def test_writes_of_a_failed_handler_are_taken_back(shop: Shop) -> None:
    healthy = [False]

    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.add(event.id)
        shop.db.session.flush()
        if not healthy[0]:
            raise ValueError("no")

    body = event_body("evt_1")
    assert shop.deliver(body).result == "failed"
    assert shop.effects() == []

    healthy[0] = True
    assert shop.deliver(body).result == "done"
    assert shop.effects() == ["evt_1"]


def test_handler_that_commits_is_warned_and_stays_exactly_once(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[str] = []

    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.add("before")
        shop.db.session.commit()
        shop.add("after")
        attempts.append(event.id)
        if len(attempts) == 1:
            raise ValueError("between")

    body = event_body()
    with caplog.at_level(logging.WARNING):
        assert shop.deliver(body).result == "failed"
    assert "The handler h commits the session by itself" in caplog.text
    assert shop.effects() == []
    assert shop.deliver(body).result == "done"
    assert shop.effects() == ["before", "after"]


def test_handler_that_rolls_back_keeps_what_it_wrote_after(shop: Shop) -> None:
    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.add("taken back")
        shop.db.session.rollback()
        shop.add("kept")

    body = event_body()
    assert shop.deliver(body).result == "done"
    assert shop.deliver(body).recorded.state == "done"
    assert shop.effects() == ["kept"]


def test_handler_that_commits_behind_the_session_loses_nothing(shop: Shop) -> None:
    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.add("one")
        transaction = current_session(shop.db).get_transaction()
        assert transaction is not None
        transaction.commit()
        shop.add("two")

    assert shop.deliver().result == "done"
    assert shop.effects() == ["one", "two"]


def test_handler_that_closes_the_session_loses_nothing(shop: Shop) -> None:
    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.db.session.close()
        shop.add("kept")

    assert shop.deliver().result == "done"
    assert shop.effects() == ["kept"]


def test_broken_session_is_a_failure_of_its_handler_alone(shop: Shop) -> None:
    @shop.on("payment.completed", name="broken")
    def broken(event: Event) -> None:
        shop.db.session.add(Effect(what=None))
        with pytest.raises(IntegrityError):
            shop.db.session.flush()

    shop.on("payment.completed", name="sound")(lambda event: shop.add("sound"))

    assert shop.deliver().result == "failed"
    assert shop.effects() == ["sound"]


def test_writes_that_fail_at_commit_are_a_failure(shop: Shop) -> None:
    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        shop.db.session.add(Effect(what=None))

    assert shop.deliver().result == "failed"
    assert shop.effects() == []


def test_second_worker_past_the_lease_does_nothing_twice(open_shop: OpenShop, kind: Kind) -> None:
    if kind == "sqlite":
        pytest.skip("on SQLite nobody can claim anything while a handler writes")
    here, there = open_shop(), open_shop()
    entered, leave = Flag(), Flag()

    @here.on("payment.completed", name="h")
    def slow(event: Event) -> None:
        here.add("here")
        entered.set()
        assert leave.wait(20)

    there.on("payment.completed", name="h")(lambda event: there.add("there"))
    body = event_body()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(here.deliver, body)
        assert entered.wait(20)
        event = there.inbox.database.tables.event
        with there.inbox.database.transaction() as connection:
            connection.execute(event.update().values(due_at=0))
        second = pool.submit(there.deliver, body)
        leave.set()
        assert {first.result().result, second.result().result} <= {"done", "busy"}

    assert there.effects() == ["here"]
    assert there.inbox.claims.state_of(1) == "done"
