"""Whether the inbox can be used, keeps what it is given, and has no work left lying."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Engine

from ....errors import InboxUnavailableError
from ....inbox.queries import EventFilter
from ..findings import Finding, error, note, ok, warning
from ..patient import Patient

_WAITS_TOO_LONG = 600
_LOOKED_AT = 50


def check_inbox(patient: Patient) -> Iterator[Finding]:
    """Yield the state of the inbox."""
    try:
        engine = patient.state.inbox.database.engine
        patient.state.inbox.browser.now()
    except InboxUnavailableError as failure:
        yield _unusable(str(failure), patient)
        return
    yield ok(f"The inbox on {engine.dialect.name} is reached, and its tables are current.")
    yield from _durability(engine, patient)
    yield from _backlog(patient)
    yield from _unreadable(patient)


def _unusable(message: str, patient: Patient) -> Finding:
    what, _, cure = message.partition(". ")
    return error(
        f"{what.rstrip('.')}.",
        why="Every delivery is answered 503, and no checkout page can be shown.",
        cure=cure or f"See that the database is up and can be written, and that {_where(patient)}.",
    )


def _where(patient: Patient) -> str:
    if patient.state.db is not None:
        return "the shop's own database URL is right"
    return f"{patient.setting('INBOX_URL')} is right"


def _durability(engine: Engine, patient: Patient) -> Iterator[Finding]:
    if engine.dialect.name == "sqlite":
        weak = list(_sqlite(engine, patient))
    else:
        weak = list((_postgresql if engine.dialect.name == "postgresql" else _mysql)(engine))
    yield from weak or [ok("What is committed survives a power cut.")]


def _sqlite(engine: Engine, patient: Patient) -> Iterator[Finding]:
    path = engine.url.database
    if path in (None, "", ":memory:"):
        yield error(
            "The inbox is in memory.",
            why="All events are forgotten when the process ends, and each worker has its own.",
            cure=f"Use a file or a server, and see that {_where(patient)}.",
        )
    elif _is_temporary(Path(str(path)).resolve()):
        find = error if patient.config.livemode else warning
        yield find(
            f"The inbox's file is in a temporary folder: {path}.",
            why="It is deleted by a restart, and with it the memory of what is done.",
            cure=f"Put it where data is kept, and see that {_where(patient)}.",
        )
    if _pragma(engine, "synchronous") < 2:
        yield error(
            "The inbox's SQLite does not wait for the disk (PRAGMA synchronous).",
            why="A power cut loses events that were answered with 200.",
            cure="Set PRAGMA synchronous = FULL on the shop's engine, or remove what lowers it.",
        )
    if patient.config.dispatch == "celery":
        yield warning(
            "The inbox is a SQLite file, and handlers run on Celery.",
            why="Workers on other machines can't reach it, and all of them wait for one writer.",
            cure="Use PostgreSQL or MariaDB for the inbox.",
        )


def _is_temporary(path: Path) -> bool:
    folders = (Path(tempfile.gettempdir()).resolve(), Path("/dev/shm"))  # noqa: S108 (looked for, not used)
    return any(path.is_relative_to(folder) for folder in folders)


def _pragma(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())


def _postgresql(engine: Engine) -> Iterator[Finding]:
    for name in ("synchronous_commit", "fsync"):
        with engine.connect() as connection:
            value = connection.exec_driver_sql(f"SHOW {name}").scalar_one()
        if value == "off":
            yield error(
                f"PostgreSQL runs with {name} = off.",
                why="A power cut loses events that were answered with 200.",
                cure=f"Set {name} = on in postgresql.conf, or for the shop's user.",
            )


def _mysql(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        query = "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"
        value = connection.exec_driver_sql(query).scalar_one()
    if int(value) != 1:
        yield error(
            f"The database runs with innodb_flush_log_at_trx_commit = {value}.",
            why="A power cut loses events that were answered with 200.",
            cure="Set it to 1 in the server's configuration.",
        )


def _backlog(patient: Patient) -> Iterator[Finding]:
    browser = patient.state.inbox.browser
    counts = browser.counts()
    if counts["failed"]:
        yield warning(
            f"{counts['failed']} events are failed.",
            why="A handler of theirs raised, and what it should have done is not done.",
            cure="See `flask paysafer events list --state failed`; mend it; then `events replay`.",
        )
    if counts["quarantined"]:
        yield note(
            f"{counts['quarantined']} deliveries are in quarantine.",
            cure="See `flask paysafer events list --state quarantined`.",
        )
    waited = browser.oldest_due()
    if waited is not None and waited > _WAITS_TOO_LONG:
        yield warning(
            f"An event has been due for {waited / 60:.0f} minutes.",
            why="Nobody works it off: its worker died, or no sweep runs.",
            cure="Run `flask paysafer events sweep`, and see to the workers.",
        )


def _unreadable(patient: Patient) -> Iterator[Finding]:
    browser = patient.state.inbox.browser
    newest = browser.find(EventFilter(), limit=_LOOKED_AT)
    encrypted = [row for row in newest if row.encrypted]
    if not encrypted:
        return
    stories = [browser.story_of(encrypted[0].key), browser.story_of(encrypted[-1].key)]
    if any(story is not None and story.payload is None for story in stories):
        setting = patient.setting("INBOX_ENCRYPTION_KEY")
        yield error(
            f"Stored payloads can't be decrypted with {setting}.",
            why="Their handlers can't be run again, and duplicates not told from conflicts.",
            cure=f"Put the earlier key behind the present one in {setting}.",
        )
