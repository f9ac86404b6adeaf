from __future__ import annotations

import pytest

from flask_paysafer.inbox.store import Inbox

from .conftest import MakeInbox
from .events import event_body, record
from .statements import statements_of


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("comes_again", [False, True])
def test_postgresql_is_asked_once_for_a_new_event_and_for_a_known_one(
    make_inbox: MakeInbox, *, comes_again: bool
) -> None:
    inbox = make_inbox()
    body = event_body("evt_1")
    if comes_again:
        record(inbox, body)

    assert len(statements_of(inbox, lambda: record(inbox, body))) == 1


def test_other_content_is_no_delivery_of_the_known_event(inbox: Inbox) -> None:
    first = record(inbox, event_body("evt_1"))

    record(inbox, event_body("evt_1", data={"amount": 1}))

    story = inbox.browser.story_of(first.key)
    assert story is not None
    assert story.deliveries == []
