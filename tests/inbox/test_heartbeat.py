"""Leases of running work are renewed; those of a dead process run out."""

from __future__ import annotations

from threading import Event as Flag

import pytest

from flask_paysafer.errors import InboxUnavailableError
from flask_paysafer.inbox.leases import Heartbeat

from .conftest import MakeInbox
from .events import event_body, record


def test_lease_is_renewed_while_it_is_held() -> None:
    renewed = Flag()

    def renew() -> bool:
        renewed.set()
        return True

    with Heartbeat().keeping(renew, lease=0.03):
        assert renewed.wait(20)


def test_database_that_is_away_for_a_while_is_asked_again() -> None:
    calls: list[int] = []
    third = Flag()

    def renew() -> bool:
        calls.append(1)
        if len(calls) == 3:
            third.set()
        raise InboxUnavailableError("away")

    with Heartbeat().keeping(renew, lease=0.03):
        assert third.wait(20)


def test_renewing_moves_the_end_of_the_lease(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(lease=1)
    claim = record(inbox, event_body()).claim
    assert claim is not None

    longer = make_inbox(lease=1000)
    assert longer.claims.renew(claim)
    assert longer.claims.renew(claim._replace(fence=2)) is False

    event = inbox.database.tables.event
    with inbox.database.connected() as connection:
        row = connection.execute(event.select().where(event.c.key == claim.key)).one()
    assert row.due_at - row.received_at > 900_000


def test_forked_process_does_not_keep_what_its_parent_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heartbeat, parents, childs = Heartbeat(), Flag(), Flag()

    def renew(kept: Flag) -> bool:
        kept.set()
        return True

    with heartbeat.keeping(lambda: renew(parents), lease=60):
        monkeypatch.setattr("flask_paysafer.inbox.leases.os.getpid", lambda: -1)
        with heartbeat.keeping(lambda: renew(childs), lease=0.03):
            assert childs.wait(10)
    assert not parents.is_set()
