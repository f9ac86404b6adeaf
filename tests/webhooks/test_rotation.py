"""Rotating a secret: which one verified what, and when the old one can go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from flask_paysafer import signing
from flask_paysafer.inbox import open_inbox
from flask_paysafer.inbox.store import Inbox
from flask_paysafer.webhooks.rotation import secret_uses

from .door_app import OLD_SECRET, SECRET, Door, event_body

NOW = datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(WEBHOOK_SECRET=[SECRET, OLD_SECRET], INBOX_URL=f"sqlite:///{tmp_path}/inbox.db")


@pytest.fixture
def inbox(door: Door) -> Inbox:
    inbox = open_inbox(door.config, door.app)
    door.inbox = inbox
    return inbox


def verdicts(door: Door, inbox: Inbox) -> list[str]:
    return [use.verdict for use in secret_uses(door.config, inbox, now=NOW)]


def age_events(inbox: Inbox, age: timedelta) -> None:
    event = inbox.database.tables.event
    milliseconds = int(age.total_seconds() * 1000)
    with inbox.database.transaction() as connection:
        connection.execute(update(event).values(received_at=event.c.received_at - milliseconds))


def test_secrets_that_verified_nothing_are_unused(door: Door, inbox: Inbox) -> None:
    uses = secret_uses(door.config, inbox, now=NOW)
    assert [(use.position, use.last_used_at, use.verdict) for use in uses] == [
        (1, None, "unused"),
        (2, None, "unused"),
    ]
    assert [use.fingerprint for use in uses] == [
        signing.fingerprint(SECRET),
        signing.fingerprint(OLD_SECRET),
    ]


def test_the_old_secret_is_kept_while_deliveries_come_with_it(door: Door, inbox: Inbox) -> None:
    door.deliver(event_body("evt_1"), secret=OLD_SECRET)
    door.deliver(event_body("evt_2"), secret=SECRET)
    assert verdicts(door, inbox) == ["in use", "in use"]


def test_the_old_secret_can_go_when_it_was_quiet_longer_than_retries_take(
    door: Door, inbox: Inbox
) -> None:
    door.deliver(event_body("evt_1"), secret=OLD_SECRET)
    age_events(inbox, timedelta(hours=49))
    assert verdicts(door, inbox) == ["unused", "in use"]
    door.deliver(event_body("evt_2"), secret=SECRET)
    assert verdicts(door, inbox) == ["in use", "droppable"]


def test_a_repeated_delivery_counts_as_use(door: Door, inbox: Inbox) -> None:
    door.deliver(event_body("evt_1"), secret=OLD_SECRET)
    door.deliver(event_body("evt_2"), secret=SECRET)
    age_events(inbox, timedelta(hours=49))
    door.deliver(event_body("evt_2"), secret=SECRET)
    door.deliver(event_body("evt_1"), secret=OLD_SECRET)
    assert verdicts(door, inbox) == ["in use", "in use"]


def test_a_quiet_shop_with_one_secret_keeps_it(tmp_path: Path) -> None:
    door = Door(INBOX_URL=f"sqlite:///{tmp_path}/inbox.db")
    inbox = open_inbox(door.config, door.app)
    door.inbox = inbox
    door.deliver()
    age_events(inbox, timedelta(days=90))
    assert verdicts(door, inbox) == ["in use"]


def test_other_accounts_in_the_same_tables_do_not_count(door: Door, inbox: Inbox) -> None:
    other = Door(
        name="paysafer_eu", WEBHOOK_SECRET=OLD_SECRET, INBOX_URL=str(door.config.inbox_url)
    )
    others = open_inbox(other.config, other.app)
    other.inbox = others
    other.deliver(secret=OLD_SECRET, path="/paysafer_eu/webhook")
    assert verdicts(door, inbox) == ["unused", "unused"]
