"""A runner that dies at any commit leaves nothing that the next run does not put right."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from flask_paysafer.state import get_state

from .api import Decide, always, declines
from .conftest import Shop

MOST_COMMITS = 60


class Killed(BaseException):
    """The process is gone."""


@contextmanager
def killed_at(shop: Shop, number: int) -> Iterator[list[int]]:
    """Let the process die right before its commit of that number."""
    engine = get_state(shop.app).inbox.database.engine
    seen: list[int] = []

    def die(_connection: Any) -> None:
        seen.append(1)
        if len(seen) == number:
            raise Killed

    event.listen(engine, "commit", die)
    try:
        yield seen
    finally:
        event.remove(engine, "commit", die)


def let_leases_run_out(shop: Shop) -> None:
    database = get_state(shop.app).inbox.database
    tables = database.tables
    with database.transaction() as connection:
        connection.execute(update(tables.subscription).values(held_until=None))
        connection.execute(update(tables.checkout_attempt).values(due_at=0, held_until=0))
        is_held = tables.event.c.state == "processing"
        connection.execute(update(tables.event).where(is_held).values(due_at=0))


def outcomes_of(tmp_path: Path, card: Decide, days: int, *, at: int) -> tuple[Any, ...]:
    """Live through days of which the first is cut short by a death, and return what came of it."""
    folder = tmp_path / str(at)
    folder.mkdir()
    shop = Shop(folder)
    shop.api.cards["pm_1"] = card
    shop.create(payment_method="pm_1")
    with killed_at(shop, at) as seen, suppress(Killed):
        shop.run()
    is_over = len(seen) < at
    for _ in range(3):
        let_leases_run_out(shop)
        shop.pass_time(minutes=2)
    get_state(shop.app).backlog.sweep(100)
    for _ in range(days):
        shop.pass_time(days=1)
    get_state(shop.app).inbox.database.engine.dispose()
    # A set: without db= a handler runs at least once, and a death may make it twice.
    events = sorted(set(shop.events))
    found = (shop.periods(), events, len(shop.api.charges), shop.api.tries["pm_1"])
    return (*found, is_over)


@pytest.mark.parametrize(
    ("card", "days"),
    [
        (always("ok"), 0),
        (declines("insufficient_funds"), 2),
        (always("lost_card"), 0),
        (always("lost"), 0),
    ],
    ids=["paid", "declined", "lost-card", "lost-answer"],
)
def test_wherever_a_run_dies_the_next_one_ends_in_the_same(
    tmp_path: Path, card: Decide, days: int
) -> None:
    *undisturbed, is_over = outcomes_of(tmp_path, card, days, at=MOST_COMMITS)
    assert is_over
    for at in range(1, MOST_COMMITS):
        *found, is_over = outcomes_of(tmp_path, card, days, at=at)
        assert found == undisturbed, f"after a death at commit {at}"
        if is_over:
            return
    raise AssertionError("a run has more commits than expected")
