"""Events of our own: written with the state that they are about, handled once and in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flask_paysafer import PaySafer, signals
from flask_paysafer.events import Event
from flask_paysafer.inbox.local import LocalEvents, WrittenEvent
from flask_paysafer.state import get_state
from flask_paysafer.webhooks.runner import Backlog, InlineDispatcher
from tests.databases import KINDS
from tests.inbox.events import event_body
from tests.test_extension import SECRET, deliver

from .conftest import OpenShop
from .shops import Shop

NOW = 1709472000
on_every_database = pytest.mark.parametrize("kind", KINDS)
plain_only = pytest.mark.parametrize("mode", ["plain"])


def backlog(shop: Shop, *, max_attempts: int = 3) -> Backlog:
    """A shop's backlog: webhook events have a sender that retries, local ones do not."""
    return Backlog(shop.run, shop.inbox, max_attempts=max_attempts, local_retry_base=0.0)


def local_events(shop: Shop) -> LocalEvents:
    """What writes local events in a shop without Celery."""
    dispatcher = InlineDispatcher(shop.run, shop.inbox, backlog(shop))
    return LocalEvents(
        shop.inbox,
        livemode=False,
        is_wanted=shop.run.jobs.wants,
        announce=shop.run.announce,
        handle=dispatcher.handle_local,
    )


def write(shop: Shop, period: int = 1, *, reference: str = "sub-1") -> WrittenEvent | None:
    """Commit that a period was renewed, and stop there."""
    data: dict[str, Any] = {"object": "subscription", "reference": reference, "period": period}
    with shop.inbox.database.transaction() as connection:
        return local_events(shop).write(
            connection, "subscription.renewed", data, fact=(reference, period), created=NOW
        )


def tell(shop: Shop, period: int = 1) -> None:
    """Commit that a period was renewed, and have it handled."""
    local_events(shop).run(write(shop, period))


def states(shop: Shop) -> list[str]:
    """Return the state of each event, in their order."""
    event = shop.inbox.database.tables.event
    with shop.inbox.database.connected() as connection:
        return list(connection.scalars(select(event.c.state).order_by(event.c.key)))


@on_every_database
def test_local_event_runs_its_handlers_once_after_the_commit(shop: Shop) -> None:
    seen: list[Event] = []
    shop.on("subscription.*", name="h")(seen.append)

    written = write(shop)
    assert not seen
    local_events(shop).run(written)
    local_events(shop).run(write(shop))

    (event,) = seen
    assert event.type == "subscription.renewed"
    assert event.local
    assert event.account == "paysafer"
    assert event.livemode is False
    assert event.id.startswith("local_")
    assert event.data.period == 1
    assert states(shop) == ["done"]


@on_every_database
def test_event_is_gone_with_the_state_that_was_rolled_back(shop: Shop) -> None:
    shop.on("subscription.*", name="h")(lambda event: None)
    data = {"object": "subscription", "reference": "sub-1"}

    with shop.inbox.database.transaction() as connection:
        local_events(shop).write(connection, "subscription.started", data, created=NOW)
        connection.rollback()

    assert states(shop) == []


def test_facts_that_are_not_unique_make_an_event_each(shop: Shop) -> None:
    data = {"object": "subscription", "reference": "sub-1"}
    for _ in range(2):
        with shop.inbox.database.transaction() as connection:
            local_events(shop).write(connection, "subscription.past_due", data, created=NOW)

    assert states(shop) == ["ignored", "ignored"]


@plain_only
@on_every_database
def test_event_whose_process_died_after_the_commit_is_left_to_the_sweep(shop: Shop) -> None:
    seen: list[int] = []
    shop.on("subscription.*", name="h")(lambda event: seen.append(event.data.period))
    for period in (1, 2, 3):
        write(shop, period)
    write(shop, 9, reference="sub-2")

    backlog(shop).sweep(100)

    assert sorted(seen) == [1, 2, 3, 9]
    assert [period for period in seen if period != 9] == [1, 2, 3]


@plain_only
def test_failed_event_is_tried_again_by_the_sweep_though_handlers_run_inline(shop: Shop) -> None:
    told: list[tuple[int, bool]] = []

    @shop.on("subscription.*", name="broken")
    def broken(event: Event) -> None:
        raise ValueError("no")

    def failed(sender: object, **facts: Any) -> None:
        told.append((facts["attempt"], facts["final"]))

    with signals.event_failed.connected_to(failed, shop.app):
        tell(shop)
        assert states(shop) == ["pending"]
        assert backlog(shop).sweep(100) == ["failed", "failed"]

    assert states(shop) == ["failed"]
    assert told == [(1, False), (2, False), (3, True)]


@on_every_database
def test_later_event_of_an_object_waits_until_the_earlier_one_is_done(shop: Shop) -> None:
    seen: list[int] = []
    healthy = [False]

    @shop.on("subscription.*", name="h")
    def handler(event: Event) -> None:
        if not healthy[0]:
            raise ValueError("no")
        seen.append(event.data.period)

    tell(shop, 1)
    tell(shop, 2)
    assert states(shop) == ["pending", "pending"]

    healthy[0] = True
    tell(shop, 3)
    assert seen == []  # and the third too waits for the first
    backlog(shop).sweep(100)
    assert seen == [1, 2, 3]


def test_later_event_goes_on_once_the_earlier_one_has_failed_for_good(shop: Shop) -> None:
    @shop.on("subscription.*", name="h")
    def handler(event: Event) -> None:
        if event.data.period == 1:
            raise ValueError("no")

    tell(shop, 1)
    tell(shop, 2)
    backlog(shop).sweep(100)

    assert states(shop) == ["failed", "done"]


def test_event_that_nobody_wants_is_ignored_and_can_be_replayed(shop: Shop) -> None:
    tell(shop)
    assert states(shop) == ["ignored"]

    seen: list[Event] = []
    shop.on("subscription.*", name="h")(seen.append)
    assert shop.dispatcher.replay(1) == "done"
    assert [event.local for event in seen] == [True]


def test_handler_that_is_gone_when_the_event_is_handled_leaves_it_ignored(
    open_shop: OpenShop,
) -> None:
    shop = open_shop()
    shop.on("subscription.*", name="h")(lambda event: None)
    write(shop)

    assert backlog(open_shop()).sweep(100) == ["unwanted"]
    assert states(shop) == ["ignored"]


def test_observers_hear_of_a_local_event_once_it_is_stored(shop: Shop) -> None:
    received: list[str] = []

    def observe(sender: object, event: Event) -> None:
        received.append(event.type)

    with signals.event_received.connected_to(observe, shop.app):
        written = write(shop)
        assert received == []
        local_events(shop).run(written, None)

    assert received == ["subscription.renewed"]


def test_signal_of_a_local_type_has_receivers_under_the_same_guarantee(shop: Shop) -> None:
    seen: list[bool] = []

    def observe(sender: object, event: Event) -> None:
        seen.append(event.local)

    with signals.subscription_renewed.connected_to(observe, shop.app):
        tell(shop)

    assert seen == [True]
    assert states(shop) == ["done"]


@on_every_database
def test_received_event_that_took_a_local_id_makes_room(shop: Shop) -> None:
    seen: list[str] = []
    shop.on("subscription.*", name="h")(lambda event: seen.append(event.id))
    fact = write(shop)
    assert fact is not None
    event_id = fact.event.id
    shop.inbox.upkeep.remove([event_id])
    body = event_body(event_id, type="subscription.renewed")
    shop.inbox.record(Event.from_json(body), body, verified_with=None, ignored="received")

    tell(shop)

    assert seen == [event_id]
    assert sorted(states(shop)) == ["done", "ignored"]


@pytest.mark.parametrize("changes", [{"type": "checkout.paid"}, {"event_id": "local_1"}])
def test_received_event_of_a_local_type_runs_nothing_even_if_replayed(
    shop: Shop, changes: dict[str, str]
) -> None:
    seen: list[Event] = []
    shop.on("checkout.*", name="h")(seen.append)
    body = event_body(changes.pop("event_id", None), **changes)
    recorded = shop.inbox.record(
        Event.from_json(body), body, verified_with=None, ignored="received"
    )

    shop.dispatcher.replay(recorded.key)

    assert seen == []


def test_type_that_is_no_local_one_is_refused(shop: Shop) -> None:
    with (
        shop.inbox.database.transaction() as connection,
        pytest.raises(ValueError, match=r"payment\.completed"),
    ):
        local_events(shop).write(connection, "payment.completed", {}, created=NOW)


def test_failing_database_leaves_the_event_to_the_sweep(shop: Shop) -> None:
    shop.on("subscription.*", name="h")(lambda event: None)
    written = write(shop)

    def refuse(key: int) -> None:
        raise RuntimeError("no database")

    events = LocalEvents(
        shop.inbox,
        livemode=None,
        is_wanted=lambda kind: True,
        announce=shop.run.announce,
        handle=refuse,
    )
    events.run(written)

    assert states(shop) == ["pending"]


def test_webhook_that_carries_a_local_type_is_stored_as_ignored(tmp_path: Path) -> None:
    paysafer, seen = PaySafer(), list[Event]()
    paysafer.on("*", name="h")(seen.append)
    app = Flask("shop", instance_path=str(tmp_path))
    app.config["PAYSAFER_WEBHOOK_SECRET"] = SECRET
    paysafer.init_app(app)
    renewed = {"object": "subscription", "reference": "sub-1"}
    events = get_state(app).local_events
    with get_state(app).inbox.database.transaction() as connection:
        written = events.write(connection, "subscription.renewed", renewed, created=NOW)
    assert written is not None
    copy = event_body(written.event.id, type="subscription.renewed", data=renewed)

    for body in (copy, event_body("evt_1", type="checkout.paid"), event_body("local_1")):
        for _ in range(2):
            assert deliver(app, body)[1]["received"] is True
    assert seen == []

    events.run(written)
    assert [(event.id, event.local) for event in seen] == [(written.event.id, True)]
    counts = get_state(app).inbox.browser.counts()
    assert (counts["done"], counts["ignored"], counts["quarantined"]) == (1, 2, 1)
    get_state(app).inbox.database.engine.dispose()
