"""The short form: bounded and seeded. ``python -m tests.chaos`` runs the long one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Kind, fresh_database
from tests.services import require_service

from .attack import Attack, Fault, Plan
from .faults import drop_connections, wipe_queue
from .shop import Settings, set_up
from .verdict import Verdict, judge

pytestmark = pytest.mark.slow


def run(plan: Plan, settings: Settings, *faults: Fault) -> Verdict:
    """Attack a shop and say what became of its events."""
    set_up(settings)
    attack = Attack(plan, settings, faults)
    try:
        attack.run()
        verdict = judge(plan, settings)
    finally:
        attack.end()
    assert attack.kills == plan.kills
    return verdict


@pytest.fixture
def database(kind: Kind, tmp_path: Path) -> Iterator[str]:
    """A database of its own."""
    with fresh_database(kind, tmp_path) as url:
        yield url


@pytest.mark.parametrize("kind", ["sqlite"])
def test_killed_workers_lose_and_double_nothing_on_sqlite(database: str, tmp_path: Path) -> None:
    verdict = run(Plan(seed=1, events=50, kills=8), Settings(database, str(tmp_path)))

    assert verdict.is_good, verdict


@pytest.mark.parametrize("kind", ["postgresql"])
def test_killed_workers_and_lost_connections_on_postgresql(database: str, tmp_path: Path) -> None:
    verdict = run(
        Plan(seed=2, events=50, kills=8),
        Settings(database, str(tmp_path)),
        drop_connections(database),
        drop_connections(database),
    )

    assert verdict.is_good, verdict


@pytest.mark.parametrize("kind", ["postgresql"])
def test_killed_queue_workers_and_a_wiped_broker(database: str, tmp_path: Path) -> None:
    settings = Settings(
        database,
        str(tmp_path),
        broker=require_service("PAYSAFER_TEST_REDIS_URL"),
        queue=f"paysafer_test_{secrets.token_hex(6)}",
    )
    verdict = run(
        Plan(seed=3, events=50, kills=6, workers=2, queue_workers=2),
        settings,
        wipe_queue(settings),
        drop_connections(database),
    )

    assert verdict.is_good, verdict


@pytest.mark.parametrize("kind", ["sqlite"])
def test_ledger_written_after_the_handler_is_caught(database: str, tmp_path: Path) -> None:
    """The test is worth something: with the order reversed, effects double."""
    verdict = run(
        Plan(seed=4, events=50, kills=14),
        Settings(database, str(tmp_path), reversed_ledger=True),
    )

    assert verdict.doubled > 0
