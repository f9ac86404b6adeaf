"""A worker that is to stop gives back what it has not begun."""

from __future__ import annotations

from pathlib import Path
from threading import Event as Flag

import pytest

from flask_paysafer.events import Event
from flask_paysafer.webhooks.runner import Backlog
from tests.inbox.events import event_body
from tests.webhooks.shops import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with an inbox of its own."""
    return Shop("plain", f"sqlite:///{tmp_path}/inbox.sqlite", tmp_path).set_up()


def test_events_of_a_batch_that_were_not_begun_are_due_at_once(shop: Shop) -> None:
    stop, seen = Flag(), list[str]()

    @shop.on("*", name="h")
    def handler(event: Event) -> None:
        seen.append(event.id)
        stop.set()

    for number in range(3):
        body = event_body(f"evt_{number}")
        recorded = shop.inbox.record(Event.from_json(body), body, verified_with=None)
        assert recorded.claim is not None
        shop.inbox.ledger.release(recorded.claim, spent=False)

    handled = Backlog(shop.run, shop.inbox).handle_batch(10, stop)

    assert seen == ["evt_0"]
    assert len(handled) == 1
    assert len(shop.inbox.batches.due_keys(10)) == 2
    (again, _) = shop.inbox.batches.take(10)
    assert again.claim.attempt == 1
    shop.close()


def test_leases_that_end_soon_are_known_by_their_seconds(shop: Shop) -> None:
    assert shop.inbox.batches.leases_ending(600) is None
    body = event_body("evt_1")
    shop.inbox.record(Event.from_json(body), body, verified_with=None)

    ending = shop.inbox.batches.leases_ending(600)
    assert ending is not None
    assert 290 < ending[0] == ending[1] <= 300
    assert shop.inbox.batches.leases_ending(30) is None
    shop.close()
