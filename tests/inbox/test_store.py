"""Every event is stored once, before anything is done about it."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import MetaData, func, select

from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.database import Database, once
from flask_paysafer.inbox.encryption import Seal
from flask_paysafer.inbox.migrations import make_or_check_tables
from flask_paysafer.inbox.store import Inbox
from flask_paysafer.inbox.tables import tables_in

from .conftest import MakeInbox, open_engine
from .events import event_body, record


def rows(inbox: Inbox) -> list[tuple[str, str]]:
    """Return id and state of every event of the inbox's account."""
    event = inbox.database.tables.event
    query = select(event.c.event_id, event.c.state).where(event.c.account == inbox.account)
    with inbox.database.connected() as connection:
        return [(row.event_id, row.state) for row in connection.execute(query)]


def deliveries(inbox: Inbox, key: int) -> int:
    """Return how often an event came again."""
    delivery = inbox.database.tables.delivery
    query = select(func.count()).where(delivery.c.event_key == key)
    with inbox.database.connected() as connection:
        return int(connection.scalar(query) or 0)


def test_new_event_is_stored_and_claimed_at_once(inbox: Inbox) -> None:
    recorded = record(inbox, event_body("evt_1"))

    assert recorded.is_new
    assert recorded.claim is not None
    assert rows(inbox) == [("evt_1", "processing")]


def test_new_event_waits_where_handlers_run_elsewhere(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(claims_on_receipt=False)

    recorded = record(inbox, event_body("evt_1"))

    assert (recorded.state, recorded.claim) == ("pending", None)
    assert rows(inbox) == [("evt_1", "pending")]


def test_same_event_again_is_not_new(inbox: Inbox) -> None:
    body = event_body("evt_1")
    first = record(inbox, body)

    again = record(inbox, body)

    assert (again.key, again.is_new, again.conflict) == (first.key, False, False)
    assert again.state == "processing"
    assert deliveries(inbox, first.key) == 1


def test_same_json_in_other_bytes_is_the_same_event(inbox: Inbox) -> None:
    body = event_body("evt_1")
    first = record(inbox, body)
    rewritten = json.dumps(json.loads(body), sort_keys=True, indent=1).encode()

    assert not record(inbox, rewritten).conflict
    assert deliveries(inbox, first.key) == 1


def test_other_content_under_a_known_id_is_quarantined(
    inbox: Inbox, caplog: pytest.LogCaptureFixture
) -> None:
    record(inbox, event_body("evt_1", data={"amount": 1}))

    with caplog.at_level(logging.ERROR):
        recorded = record(inbox, event_body("evt_1", data={"amount": 2}))

    assert (recorded.conflict, recorded.is_new) == (True, False)
    assert sorted(state for _, state in rows(inbox)) == ["processing", "quarantined"]
    assert "evt_1 came again with other content" in caplog.text


def test_body_in_quarantine_is_kept_once(inbox: Inbox) -> None:
    for _ in range(2):
        inbox.quarantine(b"not JSON", reason="no event")

    assert [state for _, state in rows(inbox)] == ["quarantined"]


def test_ids_that_differ_in_case_are_different_events(inbox: Inbox) -> None:
    record(inbox, event_body("evt_a"))

    assert record(inbox, event_body("evt_A")).is_new


def test_accounts_do_not_see_each_other(make_inbox: MakeInbox, account: str) -> None:
    body = event_body("evt_1")
    record(make_inbox(), body)

    assert record(make_inbox(account=f"{account}_eu"), body).is_new


def test_event_nobody_wants_is_ignored_with_the_reason(inbox: Inbox) -> None:
    recorded = record(inbox, event_body("evt_1"), ignored="no handler")

    assert (recorded.state, recorded.is_new, recorded.claim) == ("ignored", True, None)
    assert rows(inbox) == [("evt_1", "ignored")]


def test_ignored_event_that_is_wanted_by_now_is_to_be_handled(inbox: Inbox) -> None:
    body = event_body("evt_1")
    first = record(inbox, body, ignored="no handler")

    again = record(inbox, body)

    assert (again.state, again.is_new) == ("pending", False)
    assert inbox.claims.take(first.key) is not None


def test_one_of_many_simultaneous_deliveries_is_new(make_inbox: MakeInbox) -> None:
    inboxes = [make_inbox() for _ in range(8)]
    body = event_body("evt_1")
    start = Barrier(len(inboxes))

    def deliver(inbox: Inbox) -> tuple[int, bool]:
        inbox.database.engine.connect().close()
        start.wait()
        recorded = record(inbox, body)
        return recorded.key, recorded.is_new

    with ThreadPoolExecutor(len(inboxes)) as pool:
        found = list(pool.map(deliver, inboxes))

    assert [new for _, new in found].count(True) == 1
    assert len(rows(inboxes[0])) == 1
    assert deliveries(inboxes[0], found[0][0]) == len(inboxes) - 1


def test_payload_is_encrypted_at_rest(make_inbox: MakeInbox) -> None:
    key = Fernet.generate_key().decode()
    inbox = make_inbox(seal=Seal([key]))
    body = event_body("evt_1", data={"receipt_email": "customer@example.com"})

    record(inbox, body)

    event = inbox.database.tables.event
    with inbox.database.connected() as connection:
        stored = connection.scalar(select(event.c.payload).where(event.c.account == inbox.account))
    assert stored is not None
    assert b"customer@example.com" not in stored
    assert Fernet(key).decrypt(stored) == body


def test_encrypted_event_again_is_the_same_event(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(seal=Seal([Fernet.generate_key().decode()]))
    body = event_body("evt_1")
    record(inbox, body)

    assert not record(inbox, body).conflict


def test_sqlite_file_that_cannot_be_made_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    inbox = _sqlite_inbox(tmp_path / "file" / "inbox.sqlite")

    with pytest.raises(InboxUnavailableError, match="can't be made"):
        record(inbox, event_body())


def test_damaged_sqlite_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "inbox.sqlite"
    path.write_bytes(b"no database at all" * 100)

    with pytest.raises(InboxUnavailableError, match="file is not a database"):
        record(_sqlite_inbox(path), event_body())


def test_full_disk_leaves_nothing_half_done(tmp_path: Path) -> None:
    inbox = _sqlite_inbox(tmp_path / "inbox.sqlite")
    record(inbox, event_body("evt_1"))
    with inbox.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(InboxUnavailableError, match="full"):
        record(inbox, event_body("evt_2", data={"description": "x" * 100_000}))

    assert rows(inbox) == [("evt_1", "processing")]


def test_error_shows_no_payload(tmp_path: Path) -> None:
    inbox = _sqlite_inbox(tmp_path / "inbox.sqlite")
    record(inbox, event_body())
    inbox.database.tables.event.drop(inbox.database.engine)

    with pytest.raises(InboxUnavailableError) as raised:
        record(inbox, event_body(data={"receipt_email": "customer@example.com"}))

    assert "customer@example.com" not in str(raised.value)
    assert "flask paysafer init-db" in str(raised.value)


def _sqlite_inbox(path: Path) -> Inbox:
    database = Database(
        once(lambda: open_engine(f"sqlite:///{path}")),
        tables_in(MetaData()),
        prepare=make_or_check_tables,
    )
    return Inbox(database, account="paysafer")
