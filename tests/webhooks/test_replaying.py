"""One handler of an event is replayed by a person, and nothing else happens to the event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from flask_paysafer import signals
from flask_paysafer.events import Event
from flask_paysafer.inbox.records import STOPPED, State
from flask_paysafer.webhooks.runner import Backlog, DispatchResult, EventRun, InlineDispatcher
from tests.databases import KINDS
from tests.inbox.events import deliver, event_body

from .conftest import OpenShop
from .shops import Shop

STATES: tuple[State, ...] = ("pending", "done", "failed", "ignored", "quarantined")


class Replays:
    """A shop with two handlers, and an event of which they have seen nothing yet."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.seen: list[str] = []
        self.raises: BaseException | None = None
        self.meanwhile: Callable[[], object] = lambda: None
        shop.on("payment.completed", name="ship")(lambda event: self.seen.append("ship"))
        shop.on("payment.completed", name="mail")(self._mail)
        self.key = shop.inbox.record(
            Event.from_json(BODY), BODY, verified_with=None, ignored="for later"
        ).key

    def _mail(self, event: Event) -> None:
        self.seen.append("mail")
        self.meanwhile()
        if self.raises is not None:
            raise self.raises

    def put_into(self, state: State) -> None:
        """Give the event a state that it can be found in, with what is done by then."""
        if state == "done":
            self.shop.dispatcher.replay(self.key)
            self.seen.clear()
        else:
            event = self.shop.inbox.database.tables.event
            times = {
                "due_at": 0 if state == "pending" else None,
                "stopped_at": 0 if state in STOPPED else None,
            }
            is_it = event.c.key == self.key
            with self.shop.inbox.database.transaction() as connection:
                connection.execute(event.update().where(is_it).values(state=state, **times))

    def replay(self, handler: str) -> DispatchResult:
        """Have one handler run, in a process of its own as far as the shop can tell."""
        shop = self.shop
        run = EventRun(shop.app, shop.registry, shop.inbox, db=shop.db)
        return Backlog(run, shop.inbox).replay_handler(self.key, handler)

    def row(self) -> tuple[Any, ...]:
        """Return all that a worker goes by."""
        event = self.shop.inbox.database.tables.event
        query = event.select().where(event.c.key == self.key)
        with self.shop.inbox.database.connected() as connection:
            found = connection.execute(query).one()
        return found.state, found.due_at, found.attempts, found.finished_at

    def done(self) -> set[str]:
        """Return the handlers that are in the ledger."""
        return self.shop.inbox.ledger.done_handlers(self.key)


BODY = event_body("evt_1")


@pytest.fixture
def replays(open_shop: OpenShop) -> Replays:
    """A shop, an event and what becomes of it."""
    return Replays(open_shop())


@pytest.mark.parametrize("state", STATES)
def test_the_handler_runs_and_the_event_stays_what_it_was(replays: Replays, state: State) -> None:
    replays.put_into(state)
    before = replays.row()

    assert replays.replay("mail") == "done"

    assert replays.seen == ["mail"]
    assert "mail" in replays.done()
    assert replays.row() == before


@pytest.mark.parametrize("kind", KINDS)
def test_a_done_handler_runs_again_and_its_row_is_written_anew(replays: Replays) -> None:
    replays.put_into("done")
    before = replays.row()
    replays.raises = ValueError("no")
    assert replays.replay("mail") == "failed"
    assert replays.done() == {"ship", "mail"}

    replays.raises = None
    assert replays.replay("mail") == "done"

    assert replays.seen == ["mail", "mail"]
    assert (replays.row(), replays.done()) == (before, {"ship", "mail"})


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(3)], ids=["fails", "dies"])
def test_a_handler_that_ends_badly_leaves_no_trace_on_the_event(
    replays: Replays, state: State, error: BaseException
) -> None:
    replays.put_into(state)
    before, done = replays.row(), replays.done()
    replays.raises = error

    if isinstance(error, Exception):
        assert replays.replay("mail") == "failed"
    else:
        with pytest.raises(SystemExit):
            replays.replay("mail")

    assert (replays.row(), replays.done()) == (before, done)


@pytest.mark.parametrize("state", ["pending", "failed"])
def test_the_last_handler_that_was_waited_for_makes_the_event_done(
    replays: Replays, state: State
) -> None:
    replays.put_into(state)
    replays.replay("ship")
    processed: list[str] = []
    receiver = signals.event_processed.connect(
        lambda app, event: processed.append(event.id), replays.shop.app, weak=False
    )

    assert replays.replay("mail") == "done"

    assert replays.row()[0] == "done"
    assert processed == ["evt_1"]
    signals.event_processed.disconnect(receiver, replays.shop.app)


@pytest.mark.parametrize("state", ["ignored", "quarantined"])
def test_what_runs_for_no_delivery_is_not_made_done(replays: Replays, state: State) -> None:
    replays.put_into(state)

    for handler in ("ship", "mail"):
        assert replays.replay(handler) == "done"

    assert replays.row()[0] == state


def test_whoever_handles_the_event_for_the_first_time_leaves_the_replayed_handler_out(
    replays: Replays,
) -> None:
    replays.put_into("pending")
    replays.replay("mail")

    assert replays.shop.dispatcher.replay(replays.key) == "done"

    assert replays.seen == ["mail", "ship"]


def test_an_event_that_a_worker_has_is_left_to_it(replays: Replays) -> None:
    replays.put_into("pending")
    assert replays.shop.inbox.claims.take(replays.key) is not None

    assert replays.replay("mail") == "busy"

    assert replays.seen == []


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_handles_the_event_meanwhile(open_shop: OpenShop) -> None:
    replays, other = Replays(open_shop()), open_shop()
    if other.inbox.database.has_one_writer:
        pytest.skip("on SQLite the handler is the only writer anyway")
    replays.put_into("failed")
    found: list[DispatchResult | None] = []
    run = EventRun(other.app, replays.shop.registry, other.inbox, db=other.db)

    def meanwhile() -> None:
        found.append(Backlog(run, other.inbox).replay_handler(replays.key, "mail"))
        found.append(deliver(other.inbox, InlineDispatcher(run, other.inbox), BODY).result)
        found.append(other.dispatcher.replay(replays.key))
        assert other.inbox.batches.take(9) == []

    replays.meanwhile = meanwhile

    assert replays.replay("mail") == "done"

    assert set(found) == {"busy"}
    assert replays.seen == ["mail"]


@pytest.mark.parametrize("kind", ["postgresql", "mariadb"])
def test_other_events_are_handled_meanwhile(open_shop: OpenShop) -> None:
    """MariaDB locks what lies around a row that is deleted, or not there."""
    replays, other = Replays(open_shop()), open_shop()
    replays.put_into("failed")
    other.on("payment.completed", name="mail")(lambda event: None)
    replays.meanwhile = lambda: replays.seen.append(
        str(other.deliver(event_body("evt_other")).result)
    )

    assert replays.replay("mail") == "done"

    assert replays.seen == ["mail", "done"]


def test_a_replay_lock_that_was_not_released_runs_out(replays: Replays) -> None:
    replays.put_into("pending")
    inbox = replays.shop.inbox
    lock = inbox.replay_locks.take(replays.key)
    assert lock is not None
    assert replays.shop.dispatcher.replay(replays.key) == "busy"

    event = inbox.database.tables.event
    with inbox.database.transaction() as connection:
        connection.execute(event.update().values(replay_locked_until=0))

    assert replays.shop.dispatcher.replay(replays.key) == "done"
    assert replays.seen == ["ship", "mail"]


def test_an_older_event_is_not_replayed_over_a_newer_one(shop: Shop) -> None:
    seen: list[str] = []
    shop.on("payment.completed", name="sync", stale="skip")(lambda event: seen.append(event.id))
    older = shop.deliver(event_body("evt_old", created=1)).recorded.key
    shop.deliver(event_body("evt_new", created=2))

    assert Backlog(shop.run, shop.inbox).replay_handler(older, "sync") == "stale"

    assert seen == ["evt_old", "evt_new"]
    story = shop.inbox.browser.story_of(older)
    assert story is not None
    assert [run["skipped"] for run in story.runs] == [None]


def test_a_handler_that_is_for_other_events_is_not_run(replays: Replays) -> None:
    assert replays.replay("gone") == "unwanted"


def test_a_failure_can_be_read_afterwards(replays: Replays) -> None:
    replays.raises = ValueError("no stamps")

    replays.replay("mail")

    story = replays.shop.inbox.browser.story_of(replays.key)
    assert story is not None
    assert [failure["handler"] for failure in story.failures] == ["mail"]
    assert "no stamps" in story.failures[0]["error"]
    assert [one["found"] for one in story.deliveries] == ["replay"]
