"""What a full inbox costs: the same work with a thousand stored events and with very many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

from sqlalchemy import Engine, text

from flask_paysafer.events import Event
from flask_paysafer.inbox.migrations import make_tables
from flask_paysafer.inbox.store import Inbox
from flask_paysafer.state import get_state

from . import bodies
from .findings import Finding, Goal
from .measuring import Effort, batched, interleave
from .places import PLACES
from .shops import with_the_extension

FEW = 1_000
BATCH = 20
PENDING = 50

_SERIES = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(1, :count))",
}
_RANDOM = {
    "sqlite": "lower(hex(randomblob(12)))",
    "postgresql": "substr(md5(random()::text), 1, 24)",
}
_BODY = {"sqlite": "zeroblob(400)", "postgresql": "decode(repeat('7b', 400), 'hex')"}
_COLUMNS = (
    "account, event_id, type, object_id, created, state, due_at, fence, attempts, received_at, "
    "finished_at, digest, encrypted, payload"
)


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the findings for each database."""
    many = 100_000 if effort.is_quick else 1_000_000
    for place in PLACES:
        with ExitStack() as stack:
            inboxes = {
                count: _filled(stack.enter_context(PLACES[place]()), count) for count in (FEW, many)
            }
            yield from _compare(place, inboxes, many, effort)
            for inbox in inboxes.values():
                inbox.database.engine.dispose()


def _compare(place: str, inboxes: dict[int, Inbox], many: int, effort: Effort) -> Iterator[Finding]:
    for what, limit, work in (
        ("store a new event", 1.15, _storing),
        ("know a duplicate", 1.25, _knowing),
        ("find due work", 1.1, _finding),
    ):
        measures = {str(count): work(inbox) for count, inbox in inboxes.items()}
        series = interleave(measures, effort.rounds)
        yield Finding(
            f"{what}, {many:,} stored, {place}",
            f"{FEW:,} stored",
            Goal(limit),
            series[str(many)],
            series[str(FEW)],
        )


def _filled(url: str, count: int) -> Inbox:
    app = with_the_extension(url, lambda _: None)
    inbox = get_state(app).inbox
    make_tables(inbox.database.unprepared_engine, inbox.database.tables)
    engine = inbox.database.engine
    _fill(engine, count, state="'done'", due_at="NULL")
    _fill(engine, PENDING, state="'pending'", due_at="1")
    _settle(engine)
    return inbox


def _fill(engine: Engine, count: int, *, state: str, due_at: str) -> None:
    name = engine.dialect.name
    is_encrypted = "0" if name == "sqlite" else "false"
    rows = (
        f"{_SERIES[name]} SELECT 'paysafer', 'evt_' || {_RANDOM[name]}, 'payment.completed', "
        f"'pay_' || i, 1709472000, {state}, {due_at}, 1, 1, 1709472000000 + i, 1709472000000 + i, "
        f"'{'0' * 64}', {is_encrypted}, {_BODY[name]} FROM n"
    )
    with engine.begin() as connection:
        connection.execute(text(_insert(name, rows)), {"count": count})


def _insert(name: str, rows: str) -> str:
    return f"INSERT INTO paysafer_event ({_COLUMNS}) {rows}"


def _settle(engine: Engine) -> None:
    """Let the database tidy up now, as it would have over the weeks the events came in."""
    commands = {
        "sqlite": ["ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)"],
        "postgresql": ["VACUUM ANALYZE paysafer_event", "CHECKPOINT"],
    }[engine.dialect.name]
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for command in commands:
            connection.exec_driver_sql(command)


def _record(inbox: Inbox) -> Callable[[bytes], Any]:
    return lambda body: inbox.record(Event.from_json(body), body, verified_with=None)


def _storing(inbox: Inbox) -> Callable[[], float]:
    return batched(bodies.fresh, _record(inbox), BATCH)


def _knowing(inbox: Inbox) -> Callable[[], float]:
    known = [bodies.fresh() for _ in range(BATCH)]
    record, turn = _record(inbox), iter(range(10**9))
    for body in known:
        record(body)
    return batched(lambda: known[next(turn) % BATCH], record, BATCH)


def _finding(inbox: Inbox) -> Callable[[], float]:
    return batched(lambda: PENDING, inbox.batches.due_keys, BATCH)
