from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from flask_paysafer import PaySafer
from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.database import translated_errors
from flask_paysafer.inbox.engine import _patience
from flask_paysafer.state import get_state
from tests.test_extension import SECRET, deliver, event


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("sqlite:///inbox.sqlite", {"timeout": 5.0}),
        ("postgresql+psycopg://db/shop", {"connect_timeout": 5}),
        ("postgresql://db/shop", {"connect_timeout": 5}),
        ("mysql+pymysql://db/shop", {"connect_timeout": 5}),
        ("postgresql+psycopg://db/shop?connect_timeout=2", {}),
        ("postgresql+pg8000://db/shop", {}),
    ],
)
def test_the_wait_for_a_silent_database_is_bounded(url: str, arguments: dict[str, float]) -> None:
    assert _patience(make_url(url)) == arguments


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite:///:memory:?timeout=5"])
def test_threads_share_a_database_in_memory(tmp_path: Path, url: str) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.update(PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_URL=url)
    paysafer, seen = PaySafer(app), list[str]()
    paysafer.on("*", name="note")(lambda event: seen.append(event.id))
    bodies = [event(f"evt_{number}") for number in range(8)]

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda body: deliver(app, body)[0], bodies))

    assert answers == [200] * 8
    assert sorted(seen) == [f"evt_{number}" for number in range(8)]
    get_state(app).inbox.database.engine.dispose()


@pytest.mark.parametrize(
    ("text", "are_missing"),
    [
        ("no such table: paysafer_event", True),
        ('relation "paysafer_event" does not exist', True),
        ("column paysafer_event.note does not exist", True),
        ("(1146, \"Table 'shop.paysafer_event' doesn't exist\")", True),
        ('connection failed: FATAL:  role "shop" does not exist', False),
        ('connection failed: FATAL:  database "shop" does not exist', False),
    ],
)
def test_only_missing_tables_are_to_be_made(text: str, are_missing: bool) -> None:
    with pytest.raises(InboxUnavailableError) as caught, translated_errors():
        raise DBAPIError("SELECT 1", None, Exception(text))
    assert ("flask paysafer init-db" in str(caught.value)) is are_missing
    assert text in str(caught.value)
