"""Own retries: when they come, and when they end."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from flask_paysafer import signals
from flask_paysafer.events import Event
from flask_paysafer.webhooks.runner import Backlog, wait_before
from tests.inbox.events import event_body

from .shops import Mode, Shop


@pytest.fixture
def mode() -> Mode:
    """One mode will do."""
    return "plain"


def backlog(shop: Shop, *, max_attempts: int = 3, retry_base: float | None = 0.0) -> Backlog:
    """Work off a shop's events, with retries that are due at once."""
    return Backlog(shop.run, shop.inbox, max_attempts=max_attempts, retry_base=retry_base)


def store(shop: Shop, body: bytes) -> int:
    """Store an event as a worker that died at once would leave it, its lease run out."""
    event = Event.from_json(body)
    recorded = shop.inbox.record(event, body, verified_with=None)
    assert recorded.claim is not None
    shop.inbox.ledger.release(recorded.claim, spent=False)
    return recorded.key


def test_twelve_attempts_fill_48_hours() -> None:
    waits = [wait_before(attempt, base=30, jitter=lambda: 0.5) for attempt in range(1, 12)]

    assert waits[0] == 30
    assert 47 < sum(waits) / 3600 < 49


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 27.0), (1.0, 33.0)])
def test_jitter_spreads_by_a_tenth(chance: float, wait: float) -> None:
    assert wait_before(1, base=30, jitter=lambda: chance) == pytest.approx(wait)


def test_failing_event_is_tried_until_its_attempts_are_used_up(shop: Shop) -> None:
    runs: list[int] = []
    told: list[tuple[object, ...]] = []

    @shop.on("*", name="broken")
    def broken(event: Event) -> None:
        runs.append(1)
        raise ValueError("no")

    def failed(sender: object, **facts: object) -> None:
        told.append((facts["handler"], facts["attempt"], facts["final"]))

    key = store(shop, event_body())
    with signals.event_failed.connected_to(failed, shop.app):
        results = [backlog(shop).handle(key) for _ in range(4)]

    assert results == ["failed", "failed", "failed", "busy"]
    assert len(runs) == 3
    assert told == [("broken", 1, False), ("broken", 2, False), ("broken", 3, True)]
    assert shop.inbox.claims.state_of(key) == "failed"


def test_event_that_kills_every_worker_is_given_up(shop: Shop) -> None:
    shop.on("*", name="h")(lambda event: None)
    key = store(shop, event_body())
    event = shop.inbox.database.tables.event
    for _ in range(3):
        assert shop.inbox.claims.take_due(key) is not None  # and the worker dies here
        with shop.inbox.database.transaction() as connection:
            connection.execute(event.update().values(due_at=0))

    assert backlog(shop).handle_lapsed() == (key, "failed")
    failure = shop.inbox.database.tables.failure
    with shop.inbox.database.connected() as connection:
        error = connection.execute(select(failure.c.error)).scalar_one()
    assert "Every attempt ended without an outcome" in error


def test_stored_body_that_is_no_event_is_given_up(shop: Shop) -> None:
    shop.inbox.quarantine(b"no event", reason="not JSON")
    assert shop.inbox.upkeep.requeue(1)

    assert backlog(shop).handle(1) == "failed"


def test_sweep_takes_all_that_is_due_but_no_more_than_asked_for(shop: Shop) -> None:
    shop.on("*", name="h")(lambda event: None)
    for _ in range(5):
        store(shop, event_body())

    assert backlog(shop).sweep(3) == ["done"] * 3
    assert backlog(shop).sweep(100) == ["done"] * 2
    assert backlog(shop).sweep(100) == []


def test_batch_that_is_cut_short_gives_back_the_rest(shop: Shop) -> None:
    @shop.on("*", name="h")
    def handler(event: Event) -> None:
        raise SystemExit(1)

    for _ in range(3):
        store(shop, event_body())
    with pytest.raises(SystemExit):
        backlog(shop).handle_batch(10)

    assert len(shop.inbox.batches.due_keys(10)) == 3
