"""One message is under way at a time, and none is missed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import update

from flask_paysafer.inbox.store import Inbox

from .conftest import MakeInbox


def test_message_is_sent_while_none_is_under_way(inbox: Inbox) -> None:
    assert inbox.wakeups.send(lost_after=30)
    assert not inbox.wakeups.send(lost_after=30)

    inbox.wakeups.arrive()

    assert inbox.wakeups.send(lost_after=30)


def test_message_that_did_not_arrive_in_time_is_sent_again(inbox: Inbox) -> None:
    inbox.wakeups.send(lost_after=30)
    wakeup = inbox.database.tables.wakeup
    with inbox.database.transaction() as connection:
        connection.execute(update(wakeup).values(sent_at=wakeup.c.sent_at - 30_001))

    assert inbox.wakeups.send(lost_after=30)
    assert not inbox.wakeups.send(lost_after=30)


def test_accounts_have_messages_of_their_own(make_inbox: MakeInbox, account: str) -> None:
    assert make_inbox().wakeups.send(lost_after=30)
    assert make_inbox(account=f"{account}_eu").wakeups.send(lost_after=30)


def test_of_many_at_once_one_sends(make_inbox: MakeInbox) -> None:
    inboxes = [make_inbox() for _ in range(4)]
    inboxes[0].wakeups.arrive()  # with no row there is nothing to note
    for _ in range(3):
        with ThreadPoolExecutor(4) as pool:
            sent = list(pool.map(lambda one: one.wakeups.send(lost_after=30), inboxes))
        assert sent.count(True) == 1
        inboxes[0].wakeups.arrive()
