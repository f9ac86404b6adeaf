"""stale="skip" leaves out what is older than something already handled for the same object."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Flag

import pytest
from sqlalchemy import select, text

from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.events import Event
from tests.databases import Kind
from tests.inbox.events import Delivered, event_body
from tests.waiting import wait_for

from .conftest import OpenShop
from .shops import DB_MODES, MODES, Mode, Shop

OLD, NEW = 1_709_472_000, 1_709_472_060
EVERYWHERE: list[tuple[Mode, Kind]] = [
    *((mode, "sqlite") for mode in MODES),
    *((mode, "postgresql") for mode in MODES),
    *((mode, "mariadb") for mode in MODES),
]

pytestmark = pytest.mark.parametrize(("mode", "kind"), EVERYWHERE)


def seen_by(shop: Shop) -> list[str]:
    """Register a handler that skips stale events and return what it sees."""
    seen: list[str] = []
    shop.on("payment.*", name="sync", stale="skip")(lambda event: seen.append(event.id))
    return seen


def skipped(shop: Shop) -> list[str | None]:
    """Return why the ledger's rows were skipped, in the order of their events."""
    run = shop.inbox.database.tables.handler_run
    with shop.inbox.database.connected() as connection:
        return list(connection.scalars(select(run.c.skipped).order_by(run.c.event_key)))


def test_older_event_of_the_same_object_is_skipped(shop: Shop) -> None:
    seen = seen_by(shop)

    shop.deliver(event_body("evt_new", created=NEW))
    late = shop.deliver(event_body("evt_old", created=OLD))

    assert late.result == "done"
    assert seen == ["evt_new"]
    assert skipped(shop) == [None, "stale"]


def test_event_of_the_same_second_and_of_other_objects_run(shop: Shop) -> None:
    seen = seen_by(shop)

    shop.deliver(event_body("evt_1", created=NEW))
    shop.deliver(event_body("evt_2", created=NEW))
    shop.deliver(event_body("evt_3", created=OLD, data={"id": "pay_2"}))

    assert seen == ["evt_1", "evt_2", "evt_3"]


def test_object_whose_id_no_database_can_hold_is_never_stale(shop: Shop) -> None:
    seen = seen_by(shop)

    for event_id, created in (("evt_new", NEW), ("evt_old", OLD)):
        body = event_body(event_id, created=created, data={"id": "pay_\x00"})
        assert shop.deliver(body).result == "done"

    assert seen == ["evt_new", "evt_old"]


def test_failed_event_does_not_make_an_older_one_stale(shop: Shop) -> None:
    seen: list[str] = []

    @shop.on("payment.*", name="sync", stale="skip")
    def handler(event: Event) -> None:
        seen.append(event.id)
        if event.id == "evt_new":
            raise ValueError("no")

    assert shop.deliver(event_body("evt_new", created=NEW)).result == "failed"
    assert shop.deliver(event_body("evt_old", created=OLD)).result == "done"
    assert seen == ["evt_new", "evt_old"]


class Race:
    """One worker is in the handler with the older event when the other gets the newer one."""

    def __init__(self, open_shop: OpenShop) -> None:
        self.here, self.there = open_shop(), open_shop()
        self.newer = event_body("evt_new", created=NEW)
        self.entered, self.leave = Flag(), Flag()
        self.written: list[str] = []
        self.here.on("payment.*", name="sync", stale="skip")(self._slow)
        self.there.on("payment.*", name="sync", stale="skip")(
            lambda event: self.written.append(event.id)
        )

    def _slow(self, event: Event) -> None:
        self.entered.set()
        assert self.leave.wait(20)
        self.written.append(event.id)

    @contextmanager
    def begun(self) -> Iterator[tuple[Future[Delivered], Future[Delivered]]]:
        """Give what becomes of the older event and of the newer one."""
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(self.here.deliver, event_body("evt_old", created=OLD))
            assert self.entered.wait(20)
            yield first, pool.submit(self.there.deliver, self.newer)


def test_two_workers_never_let_the_older_event_win(
    open_shop: OpenShop, mode: Mode, kind: Kind
) -> None:
    """The older event is being handled while the newer one comes in: its writes come later."""
    if kind == "sqlite" and mode in DB_MODES:
        pytest.skip("on SQLite the handler is the only writer anyway")
    race = Race(open_shop)
    with race.begun() as (first, second):
        if mode == "plain":
            assert second.result(20).result == "busy"
        race.leave.set()
        assert first.result(20).result == "done"
        assert second.result(20).result in {"done", "busy"}
    race.there.deliver(race.newer)

    assert race.written == ["evt_old", "evt_new"]


def test_worker_that_is_refused_the_object_comes_again(
    open_shop: OpenShop, mode: Mode, kind: Kind
) -> None:
    """Under REPEATABLE READ whoever waited is refused: that is no failure of the handler."""
    if kind != "postgresql" or mode not in DB_MODES:
        pytest.skip("only PostgreSQL refuses, and only who waits inside a transaction")
    _read_repeatably(open_shop())
    race = Race(open_shop)
    with race.begun() as (first, second):
        wait_for(lambda: _waits_for_a_lock(race.here), "the second worker to wait")
        race.leave.set()
        assert first.result(20).result == "done"
        with pytest.raises(InboxUnavailableError, match="could not serialize"):
            second.result(20)
    assert race.there.deliver(race.newer).result == "done"
    assert race.written == ["evt_old", "evt_new"]


def _read_repeatably(shop: Shop) -> None:
    engine = shop.inbox.database.unprepared_engine
    with engine.begin() as connection:
        name = connection.scalar(text("SELECT current_database()"))
        isolation = "default_transaction_isolation = 'repeatable read'"
        connection.execute(text(f"ALTER DATABASE {name} SET {isolation}"))


def _waits_for_a_lock(shop: Shop) -> bool:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with shop.inbox.database.unprepared_engine.connect() as connection:
        return bool(connection.scalar(waiting))
