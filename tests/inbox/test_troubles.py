"""What failed of many events, in short, on every database."""

from __future__ import annotations

from flask_paysafer.inbox import queries as troubles
from flask_paysafer.inbox.queries import ALL, EventRow, Trouble
from flask_paysafer.inbox.records import Claim, Failure
from flask_paysafer.inbox.store import Inbox

from .events import event_body, record
from .statements import statements_of


def stored(inbox: Inbox, event_id: str = "evt_1") -> Claim:
    claim = record(inbox, event_body(event_id)).claim
    assert claim is not None
    return claim


def fail(inbox: Inbox, claim: Claim, *handlers: str, error: str = "ValueError: no") -> None:
    inbox.ledger.add_failures(claim, [Failure(handler, error) for handler in handlers])


def rows(inbox: Inbox) -> list[EventRow]:
    return inbox.browser.find(ALL)


def test_nothing_that_failed_is_no_trouble(inbox: Inbox) -> None:
    stored(inbox)

    assert inbox.browser.troubles(rows(inbox)) == {}
    assert inbox.browser.troubles([]) == {}


def test_the_last_failure_is_told_by_its_first_line(inbox: Inbox) -> None:
    one, other = stored(inbox), stored(inbox, "evt_2")
    fail(inbox, one, "fulfil", error="ValueError: first")
    fail(inbox, one, "mail", "fulfil", error="ValueError: second\n\n  File …")
    fail(inbox, other, "mail", error="KeyError: 'x'")

    assert inbox.browser.troubles(rows(inbox)) == {
        one.key: Trouble(3, "fulfil", "ValueError: second"),
        other.key: Trouble(1, "mail", "KeyError: 'x'"),
    }


def test_what_is_not_done_yet_comes_before_what_is(inbox: Inbox) -> None:
    claim = stored(inbox)
    fail(inbox, claim, "fulfil", "mail")
    inbox.ledger.note_done(claim, "mail", closes=False)
    assert inbox.browser.troubles(rows(inbox))[claim.key].handler == "fulfil"

    inbox.ledger.note_done(claim, "fulfil", closes=True)
    assert inbox.browser.troubles(rows(inbox))[claim.key] == Trouble(2, "mail", "ValueError: no")


def test_one_handler_can_be_asked_for(inbox: Inbox) -> None:
    claim = stored(inbox)
    fail(inbox, claim, "fulfil", "mail")

    found = inbox.browser.troubles(rows(inbox), handler="fulfil")
    assert found == {claim.key: Trouble(1, "fulfil", "ValueError: no")}


def test_a_page_of_events_is_one_query(inbox: Inbox) -> None:
    for number in range(5):
        fail(inbox, stored(inbox, f"evt_{number}"), "fulfil")
    page = rows(inbox)

    said = statements_of(inbox, lambda: inbox.browser.troubles(page))

    assert len(said) == 1


def test_long_lists_are_asked_for_in_parts(inbox: Inbox) -> None:
    claim = stored(inbox)
    fail(inbox, claim, "fulfil")
    (row,) = rows(inbox)

    found = inbox.browser.troubles([row] * (troubles._AT_ONCE * 100))

    assert found == {claim.key: Trouble(1, "fulfil", "ValueError: no")}
