"""Many runners at once, on each database: every period is charged once."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pytest

from flask_paysafer.inbox.migrations import make_tables
from flask_paysafer.state import get_state
from tests.databases import KINDS, Kind, fresh_database

from .conftest import Shop

RUNNERS = 4
SUBSCRIPTIONS = 12


@pytest.fixture(params=KINDS)
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    kind: Kind = request.param
    with fresh_database(kind, tmp_path) as url:
        made = Shop(tmp_path, url=url)
        database = get_state(made.app).inbox.database
        make_tables(database.unprepared_engine, database.tables)
        yield made
        database.engine.dispose()


def test_runners_beside_each_other_charge_each_period_once(shop: Shop) -> None:
    lock, chance = Lock(), random.Random(7)
    answer = shop.api.handle

    def one_at_a_time(request: object) -> object:
        with lock:
            return answer(request)  # type: ignore[arg-type]

    shop.api.handle = one_at_a_time  # type: ignore[assignment, method-assign]
    for number in range(SUBSCRIPTIONS):
        card = f"pm_{number}"
        outcomes = [chance.choice(("ok", "lost")) for _ in range(9)]
        shop.api.cards[card] = lambda tries, outcomes=outcomes: outcomes[tries - 1]  # type: ignore[misc]
        shop.create(f"s{number}", payment_method=card)

    with ThreadPoolExecutor(RUNNERS) as pool:
        for _ in range(3):
            for done in [pool.submit(shop.run) for _ in range(RUNNERS)]:
                done.result()
            shop.pass_time(minutes=2)

    charged = Counter(shop.api.charged())
    assert charged == {(f"s{number}", "1"): 1 for number in range(SUBSCRIPTIONS)}
    states = {one.reference: one.state for one in shop.subscriptions.list()}
    assert set(states.values()) == {"active"}
    assert Counter(shop.events) == {("started", 1): SUBSCRIPTIONS}
