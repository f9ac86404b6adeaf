"""Whether the inbox can be used, keeps what it is given, and fits the shop's own database."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from sqlalchemy import Engine, insert, make_url, select
from sqlalchemy.exc import ArgumentError, UnboundExecutionError

from ...errors import HandlerTransactionError, InboxUnavailableError
from ...inbox.merchant import current_session
from ...inbox.queries import EventFilter
from ..output import counted
from .checking import CheckContext, Finding, error, note, ok, warning

_WAITS_TOO_LONG = 600
_LOOKED_AT = 50
_IN_MEMORY = (Path("/dev/shm"),)  # noqa: S108 (looked for, not used)


def check_inbox(context: CheckContext) -> Iterator[Finding]:
    """Yield the state of the inbox."""
    try:
        engine = context.state.inbox.database.engine
        context.state.inbox.browser.now()
    except InboxUnavailableError as failure:
        yield _unusable(str(failure), context)
        return
    yield ok(f"The inbox on {engine.dialect.name} is reached, and its tables are current.")
    yield from _durability(engine, context)
    yield from _backlog(context)
    yield from _unreadable(context)
    yield from _session(context)
    yield from _migrations(engine, context)


def _unusable(message: str, context: CheckContext) -> Finding:
    what, _, hint = message.partition(". ")
    return error(
        f"{what.rstrip('.')}.",
        reason="Every delivery is answered 503, and no checkout page can be shown.",
        hint=hint or f"See that the database is up and can be written, and that {_where(context)}.",
    )


def _where(context: CheckContext) -> str:
    if context.state.db is not None:
        return "the shop's own database URL is right"
    return f"{context.setting('INBOX_URL')} is right"


def _durability(engine: Engine, context: CheckContext) -> Iterator[Finding]:
    if engine.dialect.name == "sqlite":
        weak = list(_sqlite(engine, context))
    else:
        weak = list((_postgresql if engine.dialect.name == "postgresql" else _mysql)(engine))
    yield from weak or [ok("What is committed survives a power cut.")]


def _sqlite(engine: Engine, context: CheckContext) -> Iterator[Finding]:
    path = engine.url.database
    if path in (None, "", ":memory:"):
        yield error(
            "The inbox is in memory.",
            reason="All events are forgotten when the process ends, and each worker has its own.",
            hint=f"Use a file or a server, and see that {_where(context)}.",
        )
    elif _is_temporary(Path(str(path)).resolve()):
        find = error if context.config.livemode else warning
        yield find(
            f"The inbox's file is in a temporary folder: {path}.",
            reason="It is deleted by a restart, and with it the memory of what is done.",
            hint=f"Put it where data is kept, and see that {_where(context)}.",
        )
    if _pragma(engine, "synchronous") < 2:
        yield error(
            "The inbox's SQLite does not wait for the disk (PRAGMA synchronous).",
            reason="A power cut loses events that were answered with 200.",
            hint="Set PRAGMA synchronous = FULL on the shop's engine, or remove what lowers it.",
        )
    if context.config.dispatch == "celery":
        yield warning(
            "The inbox is a SQLite file, and handlers run on Celery.",
            reason="Workers on other machines can't reach it, and all of them wait for one writer.",
            hint="Use PostgreSQL or MariaDB for the inbox.",
        )


def _is_temporary(path: Path) -> bool:
    folders = (Path(tempfile.gettempdir()).resolve(), *_IN_MEMORY)
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
                reason="A power cut loses events that were answered with 200.",
                hint=f"Set {name} = on in postgresql.conf, or for the shop's user.",
            )


def _mysql(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        query = "SELECT @@GLOBAL.innodb_flush_log_at_trx_commit"
        value = connection.exec_driver_sql(query).scalar_one()
    if int(value) != 1:
        yield error(
            f"The database runs with innodb_flush_log_at_trx_commit = {value}.",
            reason="A power cut loses events that were answered with 200.",
            hint="Set it to 1 in the server's configuration.",
        )


def _backlog(context: CheckContext) -> Iterator[Finding]:
    browser = context.state.inbox.browser
    quarantined = browser.counts()["quarantined"]
    if quarantined:
        yield note(
            f"{counted(quarantined, 'delivery is', 'deliveries are')} in quarantine.",
            hint="See `flask paysafer events list --state quarantined`.",
        )
    waited = browser.oldest_due()
    if waited is not None and waited > _WAITS_TOO_LONG:
        yield warning(
            f"An event has been due for {waited / 60:.0f} minutes.",
            reason="Nothing is processing it: its worker died, or no sweep runs.",
            hint="Run `flask paysafer events sweep`, and check the workers.",
        )


def _unreadable(context: CheckContext) -> Iterator[Finding]:
    browser = context.state.inbox.browser
    newest = browser.find(EventFilter(), limit=_LOOKED_AT)
    encrypted = [row for row in newest if row.encrypted]
    if not encrypted:
        return
    stories = [browser.story_of(encrypted[0].key), browser.story_of(encrypted[-1].key)]
    if any(story is not None and story.payload is None for story in stories):
        setting = context.setting("INBOX_ENCRYPTION_KEY")
        yield error(
            f"Stored payloads can't be decrypted with {setting}.",
            reason="Their handlers can't be run again, and duplicates look like conflicts.",
            hint=f"Put the earlier key behind the present one in {setting}.",
        )


# What the shop's own set-up does to the inbox.


def _session(context: CheckContext) -> Iterator[Finding]:
    """Begin a handler's transaction, which is refused where it could not be kept."""
    from ...webhooks.sessions import HandlerTransaction

    state = context.state
    if state.db is None:
        return
    transaction = HandlerTransaction(state.inbox.database, state.db, on_commit=lambda: None)
    try:
        with transaction:
            pass
    except HandlerTransactionError as refusal:
        what, _, hint = refusal.message.partition(". ")
        yield error(
            f"{what}.",
            reason="Each delivery that has a handler fails, so that none is half done.",
            hint=hint,
        )
        return
    yield from _reads_elsewhere(context)


def _reads_elsewhere(context: CheckContext) -> Iterator[Finding]:
    state = context.state
    execution = state.inbox.database.tables.handler_run
    session = current_session(state.db)
    try:
        read, written = (
            session.get_bind(clause=clause) for clause in (select(execution), insert(execution))
        )
    except UnboundExecutionError:
        return
    if read.engine.url != written.engine.url:
        yield warning(
            "The session reads from another database than it writes to, a follower.",
            reason="A follower lags behind: the order loader and pages may not see what a handler "
            "has just committed. Within a handler, both go to the one that is written.",
            hint="Let the order loader, and all code that decides about money, read from the "
            "database that is written to.",
        )


def _migrations(engine: Engine, context: CheckContext) -> Iterator[Finding]:
    """Yield whether Alembic would drop the tables, which the shop's models don't have."""
    app = context.state.app
    migrate = app.extensions.get("migrate")
    if migrate is None or context.state.db is not None or not _is_shops_too(engine, app):
        return
    folder = Path(app.root_path) / str(getattr(migrate, "directory", "migrations"))
    if "paysafer" in _text_of(folder / "env.py"):
        return
    yield warning(
        "The inbox's tables are in the shop's own database, and Alembic does not know them.",
        reason="`flask db migrate` takes them for leftovers: the next migration would drop them, "
        "with every event and every order's attempts.",
        hint="Give PaySafer(db=db), so that they are among the shop's models; or leave them out in "
        "env.py: include_name=lambda name, kind, parents: "
        'kind != "table" or not name.startswith("paysafer_")',
    )


def _is_shops_too(engine: Engine, app: Flask) -> bool:
    try:
        url = make_url(app.config.get("SQLALCHEMY_DATABASE_URI") or "")
    except ArgumentError:
        return False
    own = engine.url
    return (own.get_backend_name(), own.host, own.port, own.database) == (
        url.get_backend_name(),
        url.host,
        url.port,
        url.database,
    )


def _text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
