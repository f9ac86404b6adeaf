"""Claims, batches, lists and upkeep, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from cryptography.fernet import Fernet
from sqlalchemy.event import listen
from sqlalchemy.exc import DataError

from flask_paysafer.inbox.encryption import Seal
from flask_paysafer.inbox.queries import EventFilter
from flask_paysafer.inbox.reconciliation import Fact
from flask_paysafer.inbox.records import Claim, Failure
from flask_paysafer.inbox.store import Inbox

from .conftest import MakeInbox
from .events import event_body, record


def finish(inbox: Inbox, claim: Claim | None) -> bool:
    """Have one handler done, and with it the event."""
    assert claim is not None
    return inbox.ledger.note_done(claim, "h", closes=True)


def run_out(inbox: Inbox) -> None:
    """Let every lease of the account run out."""
    event = inbox.database.tables.event
    held = (event.c.account == inbox.account) & (event.c.state == "processing")
    with inbox.database.transaction() as connection:
        connection.execute(event.update().where(held).values(due_at=0))


def test_held_event_cannot_be_claimed_until_its_lease_runs_out(inbox: Inbox) -> None:
    key = record(inbox, event_body()).key

    assert inbox.claims.take(key) is None
    run_out(inbox)
    claim = inbox.claims.take(key)
    assert claim == Claim(key, fence=2, attempt=2)


def test_one_of_many_workers_gets_the_claim(make_inbox: MakeInbox) -> None:
    inboxes = [make_inbox() for _ in range(6)]
    key = record(inboxes[0], event_body()).key
    run_out(inboxes[0])
    start = Barrier(len(inboxes))

    def take(inbox: Inbox) -> bool:
        inbox.database.engine.connect().close()
        start.wait()
        return inbox.claims.take(key) is not None

    with ThreadPoolExecutor(len(inboxes)) as pool:
        assert list(pool.map(take, inboxes)).count(True) == 1


def test_lost_claim_finishes_nothing(inbox: Inbox) -> None:
    first = record(inbox, event_body()).claim
    assert first is not None
    run_out(inbox)
    second = inbox.claims.take(first.key)

    assert not inbox.ledger.note_failures(first, [], retry_in=None)
    assert not finish(inbox, first)
    assert inbox.claims.state_of(first.key) == "processing"
    inbox.ledger.release(first)
    assert inbox.claims.take(first.key) is None
    assert second is not None
    assert inbox.ledger.note_done(second, None, closes=True)


def test_ledger_row_is_written_once(inbox: Inbox) -> None:
    claim = record(inbox, event_body()).claim
    assert claim is not None

    assert inbox.ledger.note_done(claim, "h", closes=False)
    assert not inbox.ledger.note_done(claim, "h", closes=False)
    assert inbox.ledger.done_handlers(claim.key) == {"h"}


def test_workers_share_a_backlog_and_each_event_goes_to_one(make_inbox: MakeInbox) -> None:
    inboxes = [make_inbox(claims_on_receipt=False) for _ in range(4)]
    keys = {record(inboxes[0], event_body()).key for _ in range(40)}
    start = Barrier(len(inboxes))

    def work(inbox: Inbox) -> list[int]:
        start.wait()
        taken: list[int] = []
        while batch := inbox.batches.take(3):
            taken += [stored.claim.key for stored in batch]
        return taken

    with ThreadPoolExecutor(len(inboxes)) as pool:
        taken = [key for share in pool.map(work, inboxes) for key in share]

    assert sorted(taken) == sorted(keys)


def test_batch_holds_what_came_in(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(claims_on_receipt=False)
    body = event_body("evt_1")
    key = record(inbox, body).key

    (stored,) = inbox.batches.take(10)

    assert (stored.claim, stored.event_id, stored.payload) == (Claim(key, 1, 1), "evt_1", body)
    assert inbox.batches.take(10) == []


def test_event_of_a_dead_worker_is_taken_alone(make_inbox: MakeInbox) -> None:
    """What killed one worker must not use up the attempts of a batch around it."""
    inbox = make_inbox(claims_on_receipt=False)
    for _ in range(3):
        record(inbox, event_body())
    assert len(inbox.batches.take(3)) == 3
    run_out(inbox)

    assert inbox.batches.take(3) == []
    assert [inbox.batches.take_lapsed() is None for _ in range(4)] == [False, False, False, True]


def test_postponed_event_is_not_due_before_its_time(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(claims_on_receipt=False)
    record(inbox, event_body())
    (stored,) = inbox.batches.take(1)

    inbox.ledger.note_failures(stored.claim, [Failure("h", "no")], retry_in=3600)

    assert inbox.batches.take(1) == []
    assert inbox.claims.take_due(stored.claim.key) is None
    inbox.claims.make_due(stored.claim.key)
    again = inbox.claims.take_due(stored.claim.key)
    assert again is not None
    assert again.claim.attempt == 1


def test_due_events_are_found_by_the_sweep(make_inbox: MakeInbox) -> None:
    inbox = make_inbox(claims_on_receipt=False)
    keys = [record(inbox, event_body()).key for _ in range(3)]
    finish(inbox, inbox.batches.take(1)[0].claim)

    assert inbox.batches.due_keys(10) == keys[1:]
    assert inbox.batches.due_keys(1) == keys[1:2]


def test_replay_of_a_done_event_forgets_what_is_done(inbox: Inbox) -> None:
    claim = record(inbox, event_body()).claim
    assert claim is not None
    finish(inbox, claim)

    assert inbox.upkeep.requeue(claim.key, again=True)

    assert inbox.claims.state_of(claim.key) == "pending"
    assert inbox.ledger.done_handlers(claim.key) == set()


def test_replay_of_a_held_event_is_refused(inbox: Inbox) -> None:
    recorded = record(inbox, event_body())

    assert not inbox.upkeep.requeue(recorded.key)
    assert not inbox.upkeep.set_aside(recorded.key, why="because")


def test_quarantined_event_is_not_claimed(inbox: Inbox) -> None:
    claim = record(inbox, event_body()).claim
    assert claim is not None
    inbox.ledger.release(claim)

    assert inbox.upkeep.set_aside(claim.key, why="because")
    assert inbox.claims.take(claim.key) is None


def test_events_are_found_counted_and_pruned(inbox: Inbox) -> None:
    recorded = [record(inbox, event_body(f"evt_{number}")) for number in range(5)]
    for one in recorded[:3]:
        finish(inbox, one.claim)
    done = EventFilter(states=["done"])

    assert [row.event_id for row in inbox.browser.find(done)] == ["evt_2", "evt_1", "evt_0"]
    assert [row.event_id for row in inbox.browser.find(done, limit=1)] == ["evt_2"]
    assert inbox.browser.count(done) == 3
    assert inbox.browser.counts()["processing"] == 2
    assert list(inbox.upkeep.prune(done)) == [3]
    assert inbox.browser.count(EventFilter()) == 2
    assert inbox.browser.counts()["pruned"] == 3


def test_pruned_event_keeps_its_id_and_is_not_handled_again(inbox: Inbox) -> None:
    body = event_body("evt_1", type="payment.refunded", data={"amount_refunded": 400})
    claim = record(inbox, body).claim
    assert claim is not None
    inbox.ledger.note_failures(claim, [Failure("h", "no")], retry_in=None)
    taken = inbox.claims.take(claim.key)
    assert finish(inbox, taken)
    record(inbox, body)

    assert list(inbox.upkeep.prune(EventFilter())) == [1]

    for again in (body, event_body("evt_1", data={"amount": 1})):
        recorded = record(inbox, again)
        assert (recorded.key, recorded.state, recorded.conflict) == (claim.key, "pruned", False)
    assert inbox.claims.take(claim.key) is None
    assert not inbox.upkeep.requeue(claim.key, again=True)
    assert not inbox.upkeep.set_aside(claim.key, why="because")
    story = inbox.browser.story("evt_1")
    assert story is not None
    assert (story.payload, story.deliveries, story.runs, story.failures) == (b"", [], [], [])
    assert list(inbox.facts.told_by_events(0)) == [Fact("payment.refunded", "pay_1", 400)]


def test_event_that_a_worker_has_is_not_pruned(inbox: Inbox) -> None:
    recorded = record(inbox, event_body())

    assert list(inbox.upkeep.prune(EventFilter(states=["processing", "done"]))) == [0]
    assert inbox.claims.state_of(recorded.key) == "processing"


def test_ids_are_forgotten_by_age_once_pruned(inbox: Inbox) -> None:
    for number in range(3):
        finish(inbox, record(inbox, event_body(f"evt_{number}")).claim)
    list(inbox.upkeep.prune(EventFilter()))
    finish(inbox, record(inbox, event_body("evt_3")).claim)

    assert list(inbox.upkeep.forget(inbox.browser.now() - 3_600_000)) == []
    assert list(inbox.upkeep.forget(inbox.browser.now() + 1)) == [3]
    assert record(inbox, event_body("evt_0")).is_new
    assert inbox.claims.state_of(record(inbox, event_body("evt_3")).key) == "done"


AWKWARD = "no \x00 and \ud800: نفدت الكمية 🎫"


def test_failure_s_text_is_stored_in_a_form_that_every_database_takes(inbox: Inbox) -> None:
    claim = record(inbox, event_body("evt_1")).claim
    assert claim is not None
    inbox.ledger.note_failures(claim, [Failure("h", AWKWARD), Failure("g", "no")], retry_in=None)

    story = inbox.browser.story("evt_1")
    assert story is not None
    assert story.event.state == "failed"
    said = "no \\x00 and \\ud800: نفدت الكمية 🎫"
    assert [failure["error"] for failure in story.failures] == [said, "no"]


def test_letters_that_the_connection_does_not_know_are_stored_as_escapes(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = record(inbox, event_body("evt_1")).claim
    assert claim is not None
    refused = DataError("INSERT", None, ValueError("Incorrect string value"))

    def refuse(conn: Any, clause: Any, multiparams: Any, params: Any, options: Any) -> None:
        if any(isinstance(value, str) and not value.isascii() for value in params.values()):
            raise refused

    listen(inbox.database.engine, "before_execute", refuse)
    inbox.ledger.note_failures(claim, [Failure("h", "é"), Failure("g", "no")], retry_in=None)

    story = inbox.browser.story("evt_1")
    assert story is not None
    assert [failure["error"] for failure in story.failures] == ["\\xe9", "no"]


def test_events_with_failures_count_from_their_first_failure_on(inbox: Inbox) -> None:
    claims = [record(inbox, event_body()).claim for _ in range(4)]
    for claim, retry_in in zip(claims, (3600, None, None, None), strict=True):
        assert claim is not None
        inbox.ledger.note_failures(claim, [Failure("h", "no")], retry_in=retry_in)
    assert claims[2] is not None
    assert finish(inbox, inbox.claims.take(claims[2].key))

    assert inbox.browser.with_failures() == 3
    assert inbox.browser.with_failures(EventFilter(states=["failed"])) == 2


def test_named_events_are_removed_unless_a_worker_has_them(inbox: Inbox) -> None:
    done, held, other = (record(inbox, event_body(f"evt_{number}")) for number in range(3))
    finish(inbox, done.claim)
    finish(inbox, other.claim)

    assert inbox.upkeep.remove(["evt_0", held.event_id, "evt_of_nobody"]) == 1
    kept = {row.event_id for row in inbox.browser.find(EventFilter())}
    assert kept == {held.event_id, other.event_id}


def test_lists_are_narrowed_by_time(inbox: Inbox) -> None:
    for number in range(6):
        record(inbox, event_body(f"evt_{number}"))
    event = inbox.database.tables.event
    now = inbox.browser.now()
    with inbox.database.transaction() as connection:
        for number in range(6):
            mine = (event.c.account == inbox.account) & (event.c.event_id == f"evt_{number}")
            moment = now - (6 - number) * 3_600_000
            connection.execute(event.update().where(mine).values(received_at=moment))

    recent = EventFilter(since=now - 2 * 3_600_000 - 1)
    assert [row.event_id for row in inbox.browser.find(recent)] == ["evt_5", "evt_4"]
    buckets = inbox.browser.timeline(since=now - 4 * 3_600_000, until=now, buckets=2)
    assert [sum(bucket.counts.values()) for bucket in buckets] == [2, 2]


def test_payloads_are_encrypted_again_with_the_first_key(make_inbox: MakeInbox) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    body = event_body("evt_1")
    record(make_inbox(seal=Seal([old])), body)
    lost = make_inbox(seal=Seal([Fernet.generate_key().decode()]))
    record(lost, event_body("evt_2"))

    assert sorted(make_inbox(seal=Seal([new, old])).upkeep.reencrypt()) == [False, True]

    renewed = make_inbox(seal=Seal([new])).browser
    story, unreadable = renewed.story("evt_1"), renewed.story("evt_2")
    assert story is not None
    assert story.payload == body
    assert unreadable is not None
    assert unreadable.payload is None
