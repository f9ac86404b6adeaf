"""flask paysafer events, as an operator types it."""

from __future__ import annotations

import itertools
import json
import logging
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from flask_paysafer import Event, PaySafer
from flask_paysafer.inbox.queries import EventFilter
from flask_paysafer.inbox.reconciliation import Fact, Facts
from flask_paysafer.state import get_state
from tests.inbox.events import event_body


class Shop:
    """An app with two handlers, of which one can be broken."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config.update(settings)
        self.paysafer = paysafer = PaySafer()
        self.seen: list[tuple[str, str]] = []
        self.is_broken = self.ends = False
        paysafer.on("payment.*", name="fulfil")(self._fulfil)
        paysafer.on("payment.*", name="mail")(lambda event: self.seen.append(("mail", event.id)))
        paysafer.init_app(self.app)

    def _fulfil(self, event: Event) -> None:
        self.seen.append(("fulfil", event.id))
        if self.ends:
            raise SystemExit(3)
        if self.is_broken:
            raise ValueError("out of stock\nwith a second line")

    def add_handler(self, name: str) -> None:
        """Register one more handler, as a later release of the shop does."""
        self.paysafer.on("payment.*", name=name)(lambda event: self.seen.append((name, event.id)))

    def receive(self, body: bytes) -> None:
        """Take an event as the webhook does."""
        state, event = get_state(self.app), Event.from_json(body)
        ignored = None if state.dispatcher.wants(event) else "no handler"
        recorded = state.inbox.record(event, body, verified_with="0badcafe", ignored=ignored)
        if ignored is None:
            state.dispatcher.dispatch(recorded, event)

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """Type a command."""
        runner = self.app.test_cli_runner()
        return runner.invoke(args=["paysafer", *arguments], input=answer)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop that received an event of each fate."""
    shop = Shop(tmp_path)
    shop.receive(event_body("evt_done"))
    shop.is_broken = True
    shop.receive(event_body("evt_failed", type="payment.failed", data={"id": "pay_2"}))
    shop.is_broken = False
    shop.receive(event_body("evt_ignored", type="payout.failed"))
    shop.seen.clear()
    return shop


def listed(shop: Shop, *options: str) -> list[str]:
    """Return the ids that a listing shows."""
    result = shop.run("events", "list", "--json", *options)
    return [event["event_id"] for event in json.loads(result.stdout)]


def test_list_is_a_table_with_the_newest_first(shop: Shop) -> None:
    lines = shop.run("events", "list").stdout.splitlines()

    assert lines[0].split() == [
        "RECEIVED",
        "STATE",
        "TYPE",
        "OBJECT",
        "FAILURES",
        "ID",
        "NOTE",
    ]
    assert [line.split()[3] for line in lines[1:]] == ["ignored", "failed", "done"]
    assert lines[1].endswith("0         evt_ignored  no handler")
    assert lines[2].endswith("1         evt_failed   fulfil: ValueError: out of stock")
    assert lines[3].endswith("0         evt_done")


def test_list_notes_no_failure_that_is_overcome(shop: Shop) -> None:
    shop.run("events", "replay", "evt_failed")

    (line,) = shop.run("events", "list", "--type", "payment.failed").stdout.splitlines()[1:]

    assert line.endswith("1         evt_failed")


def test_list_as_json_tells_the_last_failure(shop: Shop) -> None:
    found = json.loads(shop.run("events", "list", "--json").stdout)

    assert [(one["failure_count"], one["last_failure"]) for one in found] == [
        (0, None),
        (1, {"handler": "fulfil", "error": "ValueError: out of stock"}),
        (0, None),
    ]


def test_failures_are_counted_through_replays(shop: Shop) -> None:
    shop.is_broken = True
    for _ in range(3):
        shop.run("events", "replay", "evt_failed")

    (line,) = shop.run("events", "list", "--state", "failed").stdout.splitlines()[1:]
    assert line.split()[6:8] == ["4", "evt_failed"]
    text = shop.run("events", "show", "evt_failed").stdout
    assert "Attempts:       1 since the last replay" in text
    numbers = [line.split()[3] for line in text.splitlines() if "fulfil   ValueError" in line]
    assert numbers == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ((), ["evt_ignored", "evt_failed", "evt_done"]),
        (("--state", "failed"), ["evt_failed"]),
        (("--state", "failed", "--state", "done"), ["evt_failed", "evt_done"]),
        (("--type", "payment.*"), ["evt_failed", "evt_done"]),
        (("--type", "payout.failed"), ["evt_ignored"]),
        (("--object", "pay_2"), ["evt_failed"]),
        (("--since", "1h"), ["evt_ignored", "evt_failed", "evt_done"]),
        (("--until", "1h"), []),
        (("--since", "2020-01-01", "--until", "2021-01-01T00:00Z"), []),
        (("--limit", "1"), ["evt_ignored"]),
    ],
)
def test_list_filters(shop: Shop, options: tuple[str, ...], ids: list[str]) -> None:
    assert listed(shop, *options) == ids


def test_show_tells_the_whole_story(shop: Shop) -> None:
    text = shop.run("events", "show", "evt_failed").stdout

    assert "State:          failed" in text
    assert "Verified with:  0badcafe" in text
    assert "Attempts:       1\n" in text
    assert "1       fulfil   ValueError: out of stock" in text
    assert '"id": "pay_2"' in text


def test_show_tells_where_the_last_failure_was_raised(shop: Shop) -> None:
    told = shop.run("events", "show", "evt_failed").stdout.partition("The last failure\n")[2]

    first, second, _, where, code = told.splitlines()[:5]
    assert (first, second) == ("ValueError: out of stock", "with a second line")
    assert "test_events.py" in where
    assert where.endswith("in _fulfil")
    assert code.strip().startswith("raise ValueError")
    assert "The last failure" not in shop.run("events", "show", "evt_done").stdout


def test_show_as_json(shop: Shop) -> None:
    story = json.loads(shop.run("events", "show", "evt_failed", "--json").stdout)

    assert story["state"] == "failed"
    assert [run["handler"] for run in story["runs"]] == ["mail"]
    assert json.loads(story["payload"])["id"] == "evt_failed"


def test_show_of_an_unknown_event_says_so(shop: Shop) -> None:
    result = shop.run("events", "show", "evt_nobody")

    assert result.exit_code == 1
    assert result.stderr == "Error: The inbox has no event 'evt_nobody'.\n"


def test_replay_of_a_failed_event_runs_what_is_not_done(shop: Shop) -> None:
    result = shop.run("events", "replay", "--state", "failed", answer="y\n")

    assert result.exit_code == 0
    assert "Replay 1 event? [y/N]" in result.stdout
    assert result.stdout.endswith("1 done\n")
    assert shop.seen == [("fulfil", "evt_failed")]
    assert listed(shop, "--state", "failed") == []


def test_replay_of_what_is_named_and_not_done_asks_nothing(shop: Shop) -> None:
    result = shop.run("events", "replay", "evt_failed", "evt_ignored")

    assert result.exit_code == 0
    assert result.stdout.endswith("2 done\n")
    assert shop.seen == [("fulfil", "evt_failed")]


def test_replay_of_a_done_event_is_on_purpose(shop: Shop) -> None:
    result = shop.run("events", "replay", "evt_done", answer="n\n")
    assert "run handlers that are done a second time?" in result.stdout
    assert shop.seen == []

    shop.run("events", "replay", "evt_done", "--yes")
    assert shop.seen == [("fulfil", "evt_done"), ("mail", "evt_done")]


def test_replay_of_one_handler(shop: Shop) -> None:
    shop.run("events", "replay", "evt_done", "--handler", "mail", "--yes")

    assert shop.seen == [("mail", "evt_done")]


def test_replay_of_one_handler_leaves_the_others_as_they_are(shop: Shop) -> None:
    shop.is_broken = True
    shop.receive(event_body("evt_both"))
    shop.add_handler("later")
    shop.is_broken = False
    shop.seen.clear()

    shop.run("events", "replay", "evt_both", "--handler", "mail", "--yes")
    assert shop.seen == [("mail", "evt_both")]
    assert "evt_both" in listed(shop, "--state", "failed")

    shop.run("events", "replay", "evt_both", "--handler", "fulfil", "--yes")
    assert shop.seen == [("mail", "evt_both"), ("fulfil", "evt_both")]
    assert "evt_both" in listed(shop, "--state", "failed")

    shop.run("events", "replay", "evt_both", "--handler", "later", "--yes")
    assert "evt_both" in listed(shop, "--state", "done")


def test_replay_of_one_handler_leaves_a_done_event_to_its_new_handlers(shop: Shop) -> None:
    shop.add_handler("later")

    shop.run("events", "replay", "evt_done", "--handler", "mail", "--yes")

    assert shop.seen == [("mail", "evt_done")]
    assert "evt_done" in listed(shop, "--state", "done")


def test_one_handler_that_fails_says_so_and_leaves_the_event_as_it_was(shop: Shop) -> None:
    shop.is_broken = True
    result = shop.run("events", "replay", "evt_done", "--handler", "fulfil", "--yes")

    assert (result.exit_code, result.stdout) == (1, "1 failed\n")
    assert "evt_done" in listed(shop, "--state", "done")
    assert "out of stock" in shop.run("events", "show", "evt_done").output


def test_one_handler_that_ends_the_process_leaves_nothing_to_the_next_sweep(shop: Shop) -> None:
    shop.ends = True
    assert shop.run("events", "replay", "evt_done", "--handler", "fulfil", "--yes").exit_code == 3

    shop.ends = False
    shop.seen.clear()
    shop.run("events", "sweep")
    assert shop.seen == []
    assert "evt_done" in listed(shop, "--state", "done")


def test_misspelt_handler_is_an_error_that_names_those_there_are(shop: Shop) -> None:
    result = shop.run("events", "replay", "evt_done", "--handler", "mial", "--yes")

    assert result.exit_code == 1
    assert result.stderr == (
        "Error: None of these events is for a handler called 'mial'. They are for: fulfil, mail.\n"
    )
    assert shop.seen == []


def test_one_handler_is_replayed_for_the_events_it_is_for(shop: Shop) -> None:
    shop.run("events", "replay", "--since", "1h", "--handler", "mail", "--yes")

    assert shop.seen == [("mail", "evt_done"), ("mail", "evt_failed")]


def test_event_that_is_named_twice_is_replayed_once(shop: Shop) -> None:
    shop.run("events", "replay", "evt_done", "evt_done", "--yes")

    assert shop.seen == [("fulfil", "evt_done"), ("mail", "evt_done")]


def test_names_and_filters_are_not_mixed(shop: Shop) -> None:
    result = shop.run("events", "replay", "evt_done", "--state", "failed", "--yes")

    assert result.exit_code == 2
    assert "but not both" in result.stderr
    assert shop.seen == []


def test_replay_as_json(shop: Shop) -> None:
    dry = shop.run("events", "replay", "--type", "payment.*", "--dry-run", "--json")
    assert [event["result"] for event in json.loads(dry.stdout)] == [None, None]
    assert shop.seen == []

    result = shop.run("events", "replay", "--state", "failed", "--json", answer="y\n")
    assert json.loads(result.stdout) == [
        {"event_id": "evt_failed", "type": "payment.failed", "state": "failed", "result": "done"}
    ]


class TestEventOfAFact:
    """An event whose fact reconcile had handled: it runs nothing, the fact's own does."""

    @pytest.fixture
    def fact(self, shop: Shop) -> str:
        """Reconcile a payment, then receive the real event."""
        fact, inbox = Fact("payment.completed", "pay_late"), get_state(shop.app).inbox
        ticks = itertools.count(0, 10)  # so that every look at the facts is a fresh one
        inbox.facts = Facts(
            inbox.database, inbox.seal, account=inbox.account, clock=lambda: next(ticks)
        )
        body = event_body(fact.name, data={"id": fact.object_id})
        event = Event.from_json(body)
        inbox.facts.propose(fact, seen_at=event.created)
        claim = inbox.record_fact(fact, event, body)
        assert claim is not None
        get_state(shop.app).event_run.run(claim, event)
        shop.receive(event_body("evt_late", data={"id": fact.object_id}))
        shop.seen.clear()
        return fact.name

    def test_is_replayed_as_the_facts_own(self, shop: Shop, fact: str) -> None:
        result = shop.run("events", "replay", "evt_late", "--yes")

        assert shop.seen == [("fulfil", fact), ("mail", fact)]
        assert f"evt_late was handled as {fact}: that one is meant." in result.stderr

    def test_handler_is_replayed_for_the_facts_own(self, shop: Shop, fact: str) -> None:
        shop.run("events", "replay", "evt_late", "--handler", "mail", "--yes")

        assert shop.seen == [("mail", fact)]

    def test_both_are_replayed_once(self, shop: Shop, fact: str) -> None:
        shop.run("events", "replay", "--object", "pay_late", "--yes")

        assert shop.seen == [("fulfil", fact), ("mail", fact)]

    def test_says_so_if_the_facts_own_was_pruned(self, shop: Shop, fact: str) -> None:
        inbox = get_state(shop.app).inbox
        with inbox.database.transaction() as connection:
            table = inbox.database.tables.event
            connection.execute(table.delete().where(table.c.event_id == fact))

        result = shop.run("events", "replay", "evt_late", "--yes")

        assert result.stderr.startswith(
            f"evt_late was handled as {fact}, which was pruned: it can't be replayed."
        )
        assert shop.seen == []


def test_replay_that_fails_exits_with_1(shop: Shop) -> None:
    shop.is_broken = True

    result = shop.run("events", "replay", "--state", "failed", "--yes")

    assert result.exit_code == 1
    assert "1 failed" in result.stdout


def replay_unlogged(shop: Shop, *arguments: str) -> str:
    """Return what a replay says on standard error in a shop that has not set up logging."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        return shop.run("events", "replay", *arguments).stderr


def test_replay_groups_failures_by_their_error(shop: Shop) -> None:
    shop.is_broken = True
    shop.receive(event_body("evt_too"))

    assert replay_unlogged(shop, "--state", "failed", "--yes").splitlines() == [
        "2 failed  fulfil: ValueError: out of stock",
        "    evt_failed, evt_too",
        "More: flask paysafer events show evt_failed",
    ]


def test_replay_leaves_the_traceback_to_the_log(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.is_broken = True

    result = shop.run("events", "replay", "evt_failed")

    assert "in _fulfil" not in result.stderr
    assert "in _fulfil" in caplog.text


def leave_behind(shop: Shop, event_id: str) -> None:
    """Store an event as a worker leaves it that died at it, its lease run out."""
    body = event_body(event_id)
    inbox = get_state(shop.app).inbox
    inbox.record(Event.from_json(body), body, verified_with=None)
    event = inbox.database.tables.event
    with inbox.database.transaction() as connection:
        connection.execute(event.update().where(event.c.state == "processing").values(due_at=0))


def test_sweep_tells_a_failure_in_one_line(shop: Shop) -> None:
    leave_behind(shop, "evt_left")
    shop.is_broken = True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger(), "handlers", [])
        said = shop.run("events", "sweep").stderr

    assert said == "Error: Handler fulfil failed for event evt_left: ValueError: out of stock\n"


def test_replay_of_an_ignored_event_without_a_handler_is_done(shop: Shop) -> None:
    assert "1 done" in shop.run("events", "replay", "evt_ignored", "--yes").stdout


def test_dry_run_replays_nothing(shop: Shop) -> None:
    text = shop.run("events", "replay", "--type", "payment.*", "--dry-run").stdout

    assert [line.split()[2] for line in text.splitlines()[1:]] == ["evt_done", "evt_failed"]
    assert shop.seen == []


def test_replay_of_everything_has_to_be_chosen(shop: Shop) -> None:
    result = shop.run("events", "replay", "--yes")

    assert result.exit_code == 2
    assert "Name events, or choose them" in result.stderr


def test_sweep_handles_what_a_dead_worker_left(shop: Shop) -> None:
    leave_behind(shop, "evt_left")

    assert shop.run("events", "sweep").stdout == "1 due, 1 done.\n"
    assert shop.seen == [("fulfil", "evt_left"), ("mail", "evt_left")]

    result = shop.run("events", "sweep", "--json")
    assert json.loads(result.stdout) == {"due": 0, "done": 0, "failed": 0}


def test_prune_keeps_what_failed(shop: Shop) -> None:
    assert (
        "2 events are older"
        in shop.run("events", "prune", "--older-than", "0s", "--dry-run").stdout
    )
    assert len(listed(shop)) == 3

    shop.run("events", "prune", "--days", "0")
    assert listed(shop) == ["evt_failed"]

    failed = ("events", "prune", "--older-than", "0s", "--state", "failed")
    assert shop.run(*failed, answer="n\n").exit_code == 1
    assert listed(shop) == ["evt_failed"]

    shop.run("events", "prune", "--older-than", "0s", "--state", "failed", "--yes")
    assert listed(shop) == []
    inbox = get_state(shop.app).inbox
    with inbox.database.connected() as connection:
        for table in inbox.database.tables.all()[1:4]:
            assert connection.execute(table.select()).all() == []
    assert len(json.loads(shop.run("events", "list", "--state", "pruned", "--json").stdout)) == 3


def test_pruned_event_can_be_shown_and_not_replayed(shop: Shop) -> None:
    shop.run("events", "prune", "--days", "0")

    assert "State:          pruned" in shop.run("events", "show", "evt_done").stdout
    result = shop.run("events", "replay", "evt_done", "--yes")
    assert result.stderr == "evt_done was pruned: it can't be replayed.\n"
    assert shop.seen == []


def test_ids_are_kept_for_as_long_as_an_event_may_be_delivered_again(shop: Shop) -> None:
    result = shop.run("events", "prune", "--days", "0", "--forget", "34d")

    assert result.exit_code == 2
    assert "--forget is at least 35d." in result.stderr


def test_prune_keeps_what_is_young(shop: Shop) -> None:
    assert shop.run("events", "prune", "--older-than", "90d", "--yes").stdout.startswith("0 events")


def test_prune_as_json_of_one_type(shop: Shop) -> None:
    browser = get_state(shop.app).inbox.browser
    [newest] = browser.find(EventFilter(types=("payout.*",)), limit=1)
    while browser.now() <= newest.received_at:
        pass  # it has to be older than now, by the database's clock
    result = shop.run("events", "prune", "--days", "0", "--type", "payout.*", "--json")

    assert json.loads(result.stdout) == {"events": 1, "pruned": 1, "forgotten": 0}
    assert listed(shop) == ["evt_failed", "evt_done"]


def test_stats_of_what_filters_choose(shop: Shop) -> None:
    result = shop.run("events", "stats", "--type", "payment.*", "--since", "1h", "--json")

    counts = json.loads(result.stdout)["counts"]
    assert {state: count for state, count in counts.items() if count} == {"done": 1, "failed": 1}


def test_stats(shop: Shop) -> None:
    text = shop.run("events", "stats").stdout
    assert "failed       1" in text
    assert "Nothing is due." in text

    figures = json.loads(shop.run("events", "stats", "--json").stdout)
    assert figures["counts"]["done"] == 1
    assert figures["oldest_due_seconds"] is None


def test_stats_name_what_handles_the_longest_waiting(shop: Shop) -> None:
    body = event_body("evt_left")
    inbox = get_state(shop.app).inbox
    inbox.record(Event.from_json(body), body, verified_with=None)
    event, long_ago = inbox.database.tables.event, inbox.browser.now() - 3_600_500
    with inbox.database.transaction() as connection:
        left = event.update().where(event.c.state == "processing")
        connection.execute(left.values(due_at=long_ago))

    text = shop.run("events", "stats").stdout

    assert "The longest waiting event has been due for 36" in text
    assert text.endswith(" s; flask paysafer events sweep handles what is due.\n")


def test_bad_moment_names_the_cure(shop: Shop) -> None:
    result = shop.run("events", "list", "--since", "yesterday")

    assert result.exit_code == 2
    assert "write an age such as 2h" in result.stderr


def test_control_characters_do_not_reach_the_terminal(shop: Shop) -> None:
    shop.receive(event_body("evt_odd", data={"id": "pay_3", "description": "\x1b[2J"}))

    assert "\x1b" not in shop.run("events", "show", "evt_odd").stdout


def test_show_of_a_body_that_is_nested_without_end(shop: Shop) -> None:
    get_state(shop.app).inbox.quarantine(b"[" * 100_000, reason="It is no event.")
    (event_id,) = listed(shop, "--state", "quarantined")

    result = shop.run("events", "show", event_id)

    assert result.exit_code == 0
    assert "[" * 1000 in result.stdout


def test_init_db_makes_the_tables_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    assert shop.run("init-db").stdout == "Inbox: made the tables (version 3).\n"
    assert shop.run("init-db").stdout == "Inbox: everything is up to date.\n"


def test_init_db_without_a_database_is_one_clean_line(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nobody@127.0.0.1:9/nothing"
    result = Shop(tmp_path, PAYSAFER_INBOX_URL=url).run("init-db")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The inbox's database can't be used: OperationalError")
    assert len(result.stderr.splitlines()) == 1
