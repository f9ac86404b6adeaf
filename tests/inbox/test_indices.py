"""With a million stored events nothing reads more than it needs: SQLite's plans say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from flask_paysafer.inbox.queries import EventFilter
from flask_paysafer.inbox.store import Inbox
from tests.databases import Kind

from .conftest import UrlOf


@pytest.fixture
def database_url(url_of: UrlOf) -> str:
    """The database whose planner has no figures to go by."""
    kind: Kind = "sqlite"
    return url_of(kind)


def plan_of(inbox: Inbox, act: Callable[[], Any]) -> str:
    """Return SQLite's plan for the last statement that ``act`` carries out."""
    engine = inbox.database.engine
    carried_out: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        carried_out.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    act()
    event.remove(engine, "before_cursor_execute", note)
    statement, parameters = carried_out[-1]
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return "\n".join(row.detail for row in rows)


@pytest.mark.parametrize(
    ("time", "act"),
    [
        ("due", lambda inbox: inbox.batches.due_keys(10)),
        ("due", lambda inbox: inbox.batches.take(10)),
        ("due", lambda inbox: inbox.batches.take_lapsed()),
        ("due", lambda inbox: inbox.browser.oldest_due()),
        ("stopped", lambda inbox: inbox.browser.find(EventFilter(states=["failed"]))),
        ("due", lambda inbox: inbox.browser.find(EventFilter(states=["pending", "processing"]))),
        ("stopped", lambda inbox: inbox.browser.with_failures()),
    ],
)
def test_unfinished_events_are_found_through_their_index(
    inbox: Inbox, time: str, act: Callable[[Inbox], Any]
) -> None:
    plan = plan_of(inbox, lambda: act(inbox))

    assert f"USING INDEX paysafer_event_{time} (account=? AND {time}_at" in plan


def test_predecessors_of_a_local_event_are_found_through_their_index(inbox: Inbox) -> None:
    plan = plan_of(inbox, lambda: inbox.claims.is_next_in_sequence(1))

    assert "USING INDEX paysafer_event_sequence (sequence=? AND rowid<?" in plan


@pytest.mark.parametrize("wanted", [EventFilter(), EventFilter(since=1, until=2)])
def test_lists_walk_the_keys_and_sort_nothing(inbox: Inbox, wanted: EventFilter) -> None:
    plan = plan_of(inbox, lambda: inbox.browser.find(wanted))

    assert "USE TEMP B-TREE" not in plan
    assert "paysafer_event_once" not in plan
    assert "autoindex" not in plan
