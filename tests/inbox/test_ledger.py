from __future__ import annotations

import pytest

from flask_paysafer.inbox.records import Claim
from flask_paysafer.inbox.store import Inbox

from .conftest import MakeInbox
from .events import event_body, record
from .statements import statements_of


def claimed(inbox: Inbox) -> Claim:
    """Store an event and return the claim on it."""
    claim = record(inbox, event_body()).claim
    assert claim is not None
    return claim


def test_the_last_handlers_row_and_the_done_mark_come_together(inbox: Inbox) -> None:
    claim = claimed(inbox)

    assert inbox.ledger.note_done(claim, "fulfil", closes=True)

    assert inbox.ledger.done_handlers(claim.key) == {"fulfil"}
    assert inbox.claims.state_of(claim.key) == "done"
    story = inbox.browser.story_of(claim.key)
    assert story is not None
    (run,) = story.runs
    assert (run["handler"], run["attempt"], run["skipped"]) == ("fulfil", claim.attempt, None)
    with inbox.database.transaction() as connection:
        assert inbox.ledger.is_ours(connection, claim, "fulfil")


def test_whoever_comes_second_with_a_handler_is_told(inbox: Inbox) -> None:
    claim = claimed(inbox)
    inbox.ledger.note_done(claim, "fulfil", closes=False)

    assert not inbox.ledger.note_done(claim, "fulfil", closes=True)

    assert inbox.claims.state_of(claim.key) == "done"


def test_whoever_has_lost_the_claim_closes_nothing_but_has_run_the_handler(inbox: Inbox) -> None:
    claim = claimed(inbox)
    inbox.ledger.release(claim)
    later = inbox.claims.take(claim.key)
    assert later is not None

    assert not inbox.ledger.note_done(claim, "fulfil", closes=True)

    assert inbox.claims.state_of(claim.key) == "processing"
    assert inbox.ledger.done_handlers(claim.key) == {"fulfil"}
    story = inbox.browser.story_of(claim.key)
    assert story is not None
    assert story.event.attempts == later.attempt


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_is_asked_once_for_the_last_handler(make_inbox: MakeInbox) -> None:
    inbox = make_inbox()
    claim = claimed(inbox)

    said = statements_of(inbox, lambda: inbox.ledger.note_done(claim, "fulfil", closes=True))

    assert len(said) == 1
