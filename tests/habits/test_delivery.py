"""What comes after the event is stored: it never makes the answer worse than the table says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery.exceptions import QueueNotFound
from kombu.exceptions import OperationalError

from flask_paysafer import Event
from flask_paysafer.webhooks import celery as publishing
from tests.inbox.events import event_body

from .shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(f"sqlite:///{tmp_path / 'shop.sqlite'}", tmp_path)
    yield made
    made.close()


@pytest.fixture
def celery_shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(f"sqlite:///{tmp_path / 'shop.sqlite'}", tmp_path, dispatch="celery")
    made.app.extensions["celery"].conf.task_always_eager = False
    yield made
    made.close()


@pytest.mark.parametrize(
    "error", [QueueNotFound("celery"), KeyError("route"), OperationalError("down"), TypeError()]
)
def test_whatever_publishing_raises_a_stored_event_is_answered_200(
    celery_shop: Shop,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(publishing, "_send", fail)
    celery_shop.paysafer.on("payment.completed", name="h")(lambda event: celery_shop.add(event.id))

    assert celery_shop.deliver() == 200
    assert "the sweep will find the event" in caplog.text
    celery_shop.deliver_again()
    assert celery_shop.effects() == ["evt_1"]


def test_copy_with_other_content_has_the_stored_event_tried_again(shop: Shop) -> None:
    amounts: list[object] = []
    broken = [True]

    @shop.paysafer.on("payment.completed")
    def handler(event: Event) -> None:
        amounts.append(event.data["amount"])
        if broken[0]:
            raise LookupError
        shop.add(event.id)

    copy = event_body("evt_1", data={"amount": 1})
    assert shop.deliver("evt_1") == 500
    assert shop.deliver_body(copy) == 500
    broken[0] = False
    assert shop.deliver_body(copy) == 200
    assert amounts == [15000, 15000, 15000]
    assert shop.effects() == ["evt_1"]
    assert shop.event_state() == "done"
    assert shop.deliver_body(copy) == 200
    assert shop.effects() == ["evt_1"]
    assert shop.state.inbox.browser.counts()["quarantined"] == 1


def test_handlers_error_is_redacted_in_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "card 4242424242424242 of jo@example.com"

    @shop.paysafer.on("payment.completed")
    def handler(_: Event) -> None:
        raise ValueError(secret)

    assert shop.deliver() == 500
    assert "[card number] of [e-mail]" in caplog.text
    assert "4242424242424242" not in caplog.text
