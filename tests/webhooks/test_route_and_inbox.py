"""The route of a whole shop, down to the rows of its inbox."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from flask_paysafer import PaySafer, Webhook, signing

from .door_app import OLD_SECRET, PATH, SECRET, event_body


class Shop:
    """A shop with one handler, which notes what it is given."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.app = Flask("shop", instance_path=str(folder))
        given = {"SECRET_KEY": "sk_test_12345678", "WEBHOOK_SECRET": SECRET, **settings}
        self.app.config.from_mapping({f"PAYSAFER_{key}": value for key, value in given.items()})
        self.file = folder / "inbox.db"
        self.app.config.setdefault("PAYSAFER_INBOX_URL", f"sqlite:///{self.file}")
        self.handled: list[str] = []
        self.before_handling: Callable[[], None] = lambda: None
        paysafer = PaySafer(self.app)

        @paysafer.on("payment.completed")
        def handle(event: Any) -> None:
            self.before_handling()
            self.handled.append(event.id)

    def deliver(self, body: bytes, *, secret: str = SECRET) -> TestResponse:
        signature = Webhook.sign(body, secret)
        headers = {"PaySafer-Signature": signature}
        return self.app.test_client().post(
            PATH, data=body, headers=headers, content_type="application/json"
        )

    def rows(self) -> list[tuple[str, str, str | None]]:
        query = "SELECT event_id, state, verified_with FROM paysafer_event ORDER BY key"
        with contextlib.closing(sqlite3.connect(self.file)) as database:
            return [*database.execute(query)]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_an_event_is_stored_with_the_secret_that_verified_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path, WEBHOOK_SECRET=f"{SECRET},{OLD_SECRET}")
    assert shop.deliver(event_body(), secret=OLD_SECRET).json == {"received": True}
    assert shop.rows() == [("evt_1", "done", signing.fingerprint(OLD_SECRET))]


def test_a_second_delivery_runs_nothing(shop: Shop) -> None:
    shop.deliver(event_body())
    assert shop.deliver(event_body()).json == {"received": True, "duplicate": True}
    assert shop.handled == ["evt_1"]


def test_deliveries_at_once_are_handled_once(shop: Shop) -> None:
    shop.deliver(event_body("evt_0"))
    going_on, finish = Flag(), Flag()

    def wait() -> None:
        going_on.set()
        assert finish.wait(10)

    shop.before_handling = wait
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(shop.deliver, event_body())
        try:
            assert going_on.wait(10)
            second = shop.deliver(event_body())
        finally:
            finish.set()
        assert first.result().json == {"received": True}
    assert (second.status_code, "Retry-After" in second.headers) == (409, True)
    assert shop.handled == ["evt_0", "evt_1"]


def test_other_content_under_a_known_id_is_quarantined(shop: Shop) -> None:
    shop.deliver(event_body())
    response = shop.deliver(event_body().replace(b"15000", b"1"))
    assert (response.status_code, (response.json or {})["received"]) == (200, True)
    assert [state for _, state, _ in shop.rows()] == ["done", "quarantined"]
    assert shop.handled == ["evt_1"]


def test_copy_of_a_failed_event_with_other_content_has_the_stored_one_tried_again(
    shop: Shop,
) -> None:
    def fail() -> None:
        raise ValueError("no")

    copy = event_body().replace(b"15000", b"1")
    shop.before_handling = fail
    assert shop.deliver(event_body()).status_code == 500
    assert shop.deliver(copy).status_code == 500
    shop.before_handling = lambda: None

    assert shop.deliver(copy).json == {"received": True}
    assert shop.deliver(copy).json == {"received": True, "quarantined": True}
    assert shop.handled == ["evt_1"]
    assert [state for _, state, _ in shop.rows()] == ["done", "quarantined"]


def test_authentic_rubbish_is_quarantined_once(shop: Shop) -> None:
    assert shop.deliver(b"[1,2]").status_code == 400
    assert shop.deliver(b"[1,2]").status_code == 400
    assert [state for _, state, _ in shop.rows()] == ["quarantined"]


def test_what_is_not_authentic_does_not_even_make_the_inbox(shop: Shop) -> None:
    assert shop.deliver(event_body(), secret=OLD_SECRET).status_code == 400
    assert not shop.file.exists()


def test_events_of_the_other_mode_and_unknown_types_are_ignored(shop: Shop) -> None:
    assert shop.deliver(event_body("evt_live", livemode=True)).status_code == 200
    assert shop.deliver(event_body("evt_new", "payment.teleported")).status_code == 200
    assert [state for _, state, _ in shop.rows()] == ["ignored", "ignored"]


def test_an_inbox_that_can_not_be_opened_asks_for_the_event_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    shop = Shop(tmp_path, INBOX_URL=f"sqlite:///{tmp_path}/file/inbox.db")
    response = shop.deliver(event_body())
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
    assert shop.handled == []


def test_a_database_without_a_driver_is_named_in_the_log_with_its_cure(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shop = Shop(tmp_path, INBOX_URL="mysql+nobodys://shop@127.0.0.1/shop")
    assert shop.deliver(event_body()).status_code == 503
    assert "PAYSAFER_INBOX_URL names a database whose driver is not installed" in caplog.text
    assert "Begin it with postgresql+psycopg://" in caplog.text


def test_a_failed_handler_is_run_again_with_the_next_delivery(shop: Shop) -> None:
    def fail() -> None:
        raise LookupError

    shop.before_handling = fail
    assert shop.deliver(event_body()).status_code == 500
    shop.before_handling = lambda: None
    assert shop.deliver(event_body()).json == {"received": True}
    assert shop.handled == ["evt_1"]
