"""Handlers run once for each event, each alone, and what failed is tried again alone."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from typing import Any

import pytest
from flask import current_app, g
from sqlalchemy import select

from flask_paysafer import signals
from flask_paysafer.events import Event
from flask_paysafer.webhooks.runner import EventRun, InlineDispatcher
from tests.inbox.events import deliver, event_body

from .conftest import OpenShop
from .shops import Shop

plain_only = pytest.mark.parametrize("mode", ["plain"])
"""With db= on SQLite nobody else can write while a handler runs; Lite closes no session in
a thread where a loop runs."""


def failures(shop: Shop) -> list[tuple[str, int, str]]:
    """Return handler, attempt and first line of every stored failure."""
    failure = shop.inbox.database.tables.failure
    with shop.inbox.database.connected() as connection:
        return [
            (row.handler, row.attempt, row.error.splitlines()[0])
            for row in connection.execute(select(failure).order_by(failure.c.key))
        ]


def test_handlers_run_in_the_order_they_were_registered(shop: Shop) -> None:
    seen: list[str] = []
    for name in ("first", "second", "third"):
        shop.on("payment.completed", name=name)(lambda event, name=name: seen.append(name))

    assert shop.deliver().result == "done"
    assert seen == ["first", "second", "third"]


def test_done_event_is_a_duplicate_that_runs_nothing(shop: Shop) -> None:
    seen: list[str] = []
    shop.on("payment.completed", name="h")(lambda event: seen.append(event.id))
    body = event_body("evt_1")
    shop.deliver(body)

    again = shop.deliver(body)

    assert (again.recorded.state, again.result) == ("done", "done")
    assert seen == ["evt_1"]


def test_failing_handler_does_not_stop_the_others_and_alone_runs_again(shop: Shop) -> None:
    seen: list[str] = []
    healthy = [False]

    @shop.on("payment.completed", name="before")
    def before(event: Event) -> None:
        seen.append("before")

    @shop.on("payment.completed", name="broken")
    def broken(event: Event) -> None:
        seen.append("broken")
        if not healthy[0]:
            raise ValueError("out of stock")

    @shop.on("payment.completed", name="after")
    def after(event: Event) -> None:
        seen.append("after")

    body = event_body()
    assert shop.deliver(body).result == "failed"
    assert seen == ["before", "broken", "after"]
    assert failures(shop) == [("broken", 1, "ValueError: out of stock")]

    healthy[0] = True
    assert shop.deliver(body).result == "done"
    assert seen == ["before", "broken", "after", "broken"]
    assert shop.deliver(body).recorded.state == "done"


def test_stored_error_holds_no_card_key_or_address(shop: Shop) -> None:
    @shop.on("payment.completed", name="h")
    def insert(event: Event) -> None:
        raise ValueError("[parameters: ('jo@shop.example', '4242 4242 4242 4242', 'sk_live_abc')]")

    shop.deliver()
    [(_, _, error)] = failures(shop)
    assert error == "ValueError: [parameters: ('[e-mail]', '[card number]', '[key]')]"


def test_each_handler_has_a_context_of_its_own(shop: Shop) -> None:
    found: list[tuple[Any, bool]] = []

    def handler(event: Event) -> None:
        found.append((current_app._get_current_object(), "mark" in g))  # type: ignore[attr-defined]
        g.mark = True

    shop.on("payment.completed", name="one")(handler)
    shop.on("payment.completed", name="two")(handler)
    shop.deliver()

    assert found == [(shop.app, False), (shop.app, False)]


def test_handler_that_changes_the_event_changes_its_own(shop: Shop) -> None:
    seen: list[Any] = []

    @shop.on("payment.completed", name="careless")
    def careless(event: Event) -> None:
        event.data["amount"] = 1

    shop.on("payment.completed", name="careful")(lambda event: seen.append(event.data.amount))
    shop.deliver()

    assert seen == [15000]


def test_handler_can_ask_for_the_object_as_it_is_now(shop: Shop) -> None:
    run = EventRun(
        shop.app, shop.registry, shop.inbox, db=shop.db, retrieve=lambda event: event.data
    )
    seen: list[str] = []
    for name in ("one", "two"):
        shop.on("payment.completed", name=name)(lambda event: seen.append(event.refresh().id))

    deliver(shop.inbox, InlineDispatcher(run, shop.inbox), event_body())

    assert seen == ["pay_1", "pay_1"]


def test_async_handler_runs_to_its_end(shop: Shop) -> None:
    seen: list[str] = []

    @shop.on("payment.completed")
    async def handler(event: Event) -> None:
        seen.append(event.id)

    assert shop.deliver(event_body("evt_1")).result == "done"
    assert seen == ["evt_1"]


@plain_only
def test_async_handler_runs_where_a_loop_is_running(shop: Shop) -> None:
    """Under an ASGI server the view's thread has a loop already."""
    seen: list[object] = []

    @shop.on("payment.completed", name="h")
    async def handler(event: Event) -> None:
        seen.append(current_app._get_current_object())  # type: ignore[attr-defined]

    async def view() -> None:
        shop.deliver()

    asyncio.run(view())

    assert seen == [shop.app]


def test_event_in_progress_is_busy(open_shop: OpenShop) -> None:
    here, there = open_shop(), open_shop()
    entered, leave = Flag(), Flag()

    def slow(event: Event) -> None:
        entered.set()
        assert leave.wait(20)

    for shop in (here, there):
        shop.on("payment.completed", name="slow")(slow)
    body = event_body()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(here.deliver, body)
        assert entered.wait(20)
        second = there.deliver(body).result
        leave.set()
        assert (first.result().result, second) == ("done", "busy")


def test_event_of_a_dead_worker_is_taken_after_its_lease(shop: Shop) -> None:
    seen: list[str] = []
    shop.on("payment.completed", name="h")(lambda event: seen.append(event.id))
    body = event_body("evt_1")
    event = Event.from_json(body)
    shop.inbox.record(event, body, verified_with=None)  # and the worker dies here

    assert shop.deliver(body).result == "busy"
    _run_out_leases(shop)
    assert shop.deliver(body).result == "done"
    assert seen == ["evt_1"]


@plain_only
def test_worker_that_lost_its_lease_cannot_finish_the_event(open_shop: OpenShop) -> None:
    here, there = open_shop(), open_shop()

    @here.on("payment.completed", name="h")
    def slow(event: Event) -> None:
        _run_out_leases(here)
        assert there.inbox.claims.take(1) is not None

    assert here.deliver().result == "busy"
    assert here.inbox.claims.state_of(1) == "processing"


@plain_only
def test_worker_that_lost_its_lease_leaves_the_other_handlers_alone(open_shop: OpenShop) -> None:
    here, there = open_shop(), open_shop()
    body = event_body("evt_1")
    seen: list[str] = []

    def first(event: Event) -> None:
        if not seen:
            seen.append("first, held up")
            _run_out_leases(here)
            assert there.deliver(body).result == "done"

    for worker in (here, there):
        worker.on("payment.completed", name="first")(first)
        worker.on("payment.completed", name="second")(lambda event: seen.append("second"))

    assert here.deliver(body).result == "busy"
    assert seen == ["first, held up", "second"]
    assert here.inbox.claims.state_of(1) == "done"


def test_handler_whose_body_never_ran_is_not_taken_for_done(shop: Shop) -> None:
    @shop.on("payment.completed", name="generator")
    def generator(event: Event) -> Any:
        yield event

    @shop.on("payment.completed", name="stream")
    async def stream(event: Event) -> Any:
        yield event

    assert shop.deliver().result == "failed"
    assert [(name, "nothing runs" in error) for name, _, error in failures(shop)] == [
        ("generator", True),
        ("stream", True),
    ]


def test_process_exit_leaves_the_event_claimable(shop: Shop) -> None:
    seen: list[str] = []

    @shop.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        seen.append(event.id)
        if len(seen) == 1:
            raise SystemExit(1)

    body = event_body("evt_1")
    with pytest.raises(SystemExit):
        shop.deliver(body)

    assert shop.deliver(body).result == "done"
    assert seen == ["evt_1", "evt_1"]


def test_failing_teardown_does_not_fail_a_done_handler(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.on("payment.completed", name="h")(lambda event: None)
    body = event_body()
    shop.deliver()

    @shop.app.teardown_appcontext
    def broken(error: BaseException | None) -> None:
        raise RuntimeError("teardown")

    with caplog.at_level(logging.ERROR):
        result = shop.deliver(body).result

    assert result == "done"
    assert "A teardown function of the app failed" in caplog.text


def test_receivers_run_after_handlers_under_the_same_ledger(shop: Shop) -> None:
    seen: list[str] = []
    healthy = [False]
    shop.on("payment.completed", name="handler")(lambda event: seen.append("handler"))

    def receiver(sender: object, event: Event) -> None:
        assert sender is shop.app
        seen.append("receiver")
        if not healthy[0]:
            raise ValueError("not yet")

    body = event_body()
    with signals.payment_completed.connected_to(receiver, shop.app):
        assert shop.deliver(body).result == "failed"
        healthy[0] = True
        assert shop.deliver(body).result == "done"
        assert shop.deliver(body).recorded.state == "done"

    assert seen == ["handler", "receiver", "receiver"]


def test_receiver_alone_makes_an_event_wanted(shop: Shop) -> None:
    event = Event.from_json(event_body())
    assert not shop.dispatcher.wants(event)

    def receiver(sender: object, event: Event) -> None: ...

    with signals.payment_completed.connected_to(receiver, shop.app):
        assert shop.dispatcher.wants(event)


def test_observers_hear_of_everything_and_break_nothing(shop: Shop) -> None:
    heard: list[tuple[str, Any]] = []

    @shop.on("payment.completed", name="broken")
    def broken(event: Event) -> None:
        if len(heard) < 2:
            raise ValueError("no")

    def received(sender: object, event: Event) -> None:
        heard.append(("received", event.id))
        raise RuntimeError("observer")

    def failed(sender: object, **facts: Any) -> None:
        heard.append(("failed", (facts["handler"], facts["attempt"], str(facts["error"]))))
        raise RuntimeError("observer")

    def processed(sender: object, event: Event) -> None:
        heard.append(("processed", event.id))
        raise RuntimeError("observer")

    body = event_body("evt_1")
    with (
        signals.event_received.connected_to(received, shop.app),
        signals.event_failed.connected_to(failed, shop.app),
        signals.event_processed.connected_to(processed, shop.app),
    ):
        shop.deliver(body)
        shop.deliver(body)

    assert heard == [
        ("received", "evt_1"),
        ("failed", ("broken", 1, "no")),
        ("processed", "evt_1"),
    ]


def _run_out_leases(shop: Shop) -> None:
    event = shop.inbox.database.tables.event
    with shop.inbox.database.transaction() as connection:
        connection.execute(event.update().where(event.c.state == "processing").values(due_at=0))
