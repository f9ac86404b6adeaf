"""Real workers in processes of their own, which die."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from tests.databases import fresh_database
from tests.inbox.events import event_body
from tests.services import require_service
from tests.waiting import wait_for

from .shops import make_celery, post, state_of
from .test_celery import BROKERS, remove_queue

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(params=BROKERS)
def environment(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A shop's settings: a PostgreSQL of its own, and each broker in turn."""
    broker = require_service(BROKERS[request.param])
    queue = f"paysafer_test_{secrets.token_hex(6)}"
    with fresh_database("postgresql", tmp_path) as url:
        settings = {
            "SHOP_DATABASE": url,
            "SHOP_BROKER": broker,
            "SHOP_QUEUE": queue,
            "SHOP_FOLDER": str(tmp_path),
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        yield {**os.environ, **settings, "PYTHONPATH": str(REPOSITORY)}
    celery = make_celery(broker, queue=queue)
    remove_queue(celery)
    celery.close()


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process with beat in it."""
    command = [
        *(sys.executable, "-m", "celery", "-A", "tests.tasks.worker_shop:celery_app", "worker"),
        *("-B", "-s", str(tmp_path / "schedule"), "-c", "1", "-l", "WARNING"),
        *("--without-gossip", "--without-mingle"),
    ]
    log = (tmp_path / "worker.log").open("wb")
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=log, stderr=log, start_new_session=True
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    log.close()


def test_events_of_a_killed_worker_are_handled_exactly_once(
    worker: subprocess.Popen[bytes],
) -> None:
    """A pool process is SIGKILLed inside a handler; its lease runs out and a sweep finds it."""
    from . import worker_shop as shop

    app = shop.create_app()
    with app.app_context():
        shop.db.create_all()
    event_ids = [f"evt_{number}" for number in range(12)]
    for event_id in event_ids:
        fate = "kill once" if event_id == "evt_3" else "sound"
        assert post(app, event_body(event_id, data={"description": fate}))[0] == 200

    wait_for(
        lambda: all(state_of(app, found) == "done" for found in event_ids),
        "every event to be done",
        seconds=40,
    )

    with app.app_context():
        rows = list(shop.db.session.scalars(select(shop.Fulfilment.event_id)))
    with app.app_context():
        shop.db.engine.dispose()
    assert sorted(rows) == sorted(event_ids)
