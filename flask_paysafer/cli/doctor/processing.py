"""Whether what comes in is stored and handled: the inbox, handlers and Celery."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ...errors import InboxUnavailableError
from ...events import EVENT_TYPES, LOCAL_EVENT_TYPES
from ...inbox.queries import EventFilter
from ...webhooks.handlers import Handler
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
    counts = browser.counts()
    if counts["failed"]:
        yield warning(
            f"{counts['failed']} events are failed.",
            reason="A handler of theirs raised, and what it should have done is not done.",
            hint="See `flask paysafer events list --state failed`; mend it; then `events replay`.",
        )
    if counts["quarantined"]:
        yield note(
            f"{counts['quarantined']} deliveries are in quarantine.",
            hint="See `flask paysafer events list --state quarantined`.",
        )
    waited = browser.oldest_due()
    if waited is not None and waited > _WAITS_TOO_LONG:
        yield warning(
            f"An event has been due for {waited / 60:.0f} minutes.",
            reason="Nobody works it off: its worker died, or no sweep runs.",
            hint="Run `flask paysafer events sweep`, and see to the workers.",
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
            reason="Their handlers can't be run again, and duplicates not told from conflicts.",
            hint=f"Put the earlier key behind the present one in {setting}.",
        )


def check_handlers(context: CheckContext) -> Iterator[Finding]:
    """Yield the handlers and what they lack."""
    handlers = list(context.state.registry)
    yield from _unhandled(context)
    for handler in handlers:
        yield from _look_at_handler(handler)
        yield _guarantee(handler, context)
    if not context.has_checkout:
        yield note(
            "No order loader is registered.",
            hint="To sell through the checkout, register one with @paysafer.order_loader.",
        )


def _unhandled(context: CheckContext) -> Iterator[Finding]:
    handled = context.handled_types()
    if not handled:
        yield warning(
            "No handler is registered for any event.",
            reason="Events are stored as ignored: nothing is done when somebody pays.",
            hint='Register one with @paysafer.on("payment.completed"), in a module that the app '
            "imports.",
        )
    elif "payment.completed" not in handled:
        yield warning(
            "No handler is registered for payment.completed.",
            reason="Nothing is done when somebody pays.",
            hint='Register one with @paysafer.on("payment.completed"), in a module that the app '
            "imports.",
        )


def _look_at_handler(handler: Handler) -> Iterator[Finding]:
    known = (*EVENT_TYPES, *LOCAL_EVENT_TYPES)
    unknown = [
        pattern
        for pattern in handler.patterns
        if not any(Handler("", print, (pattern,)).wants(kind) for kind in known)
    ]
    if unknown:
        yield warning(
            f"The handler {handler.name} is for {', '.join(unknown)}, which PaySafer does not "
            "document.",
            reason="If it is misspelt, the handler never runs.",
            hint=f"The documented types are {', '.join(EVENT_TYPES)}.",
        )
    if "<lambda>" in handler.name or "<locals>" in handler.name:
        yield note(
            f"The handler {handler.name} has a name that changes with the code around it.",
            reason="Executions are stored by the handler's name: under a new one, it runs again.",
            hint='Name it: @paysafer.on(…, name="fulfil").',
        )


def _guarantee(handler: Handler, context: CheckContext) -> Finding:
    if context.state.db is not None:
        return ok(
            f"{handler.name}: exactly once for its database writes, which are committed together "
            "with the note that it is done; for calls elsewhere, pass event.idempotency_key(…)."
        )
    return ok(
        f"{handler.name}: once, but at least once if the process dies between the handler's end "
        "and the note of it. With PaySafer(db=db) database writes are exactly once."
    )


_ANSWER = 2.0
"""Seconds that broker and workers have to answer."""
_HANDLE, _SWEEP = "flask_paysafer.handle", "flask_paysafer.sweep"
_START_BEAT = "Start beat: `celery -A your_app beat`; one of it in all."


def check_celery(context: CheckContext) -> Iterator[Finding]:
    """Yield the state of Celery, where it is used."""
    if context.config.dispatch != "celery":
        return
    celery = context.state.app.extensions.get("celery")
    if celery is None:
        yield error(
            f'{context.setting("DISPATCH")} is "celery", and app.extensions["celery"] is not set.',
            reason="Events are stored, and nobody handles them.",
            hint='Set app.extensions["celery"] to your Celery, as Flask\'s page on Celery shows.',
        )
        return
    yield from _configuration(celery)
    if context.is_offline:
        yield note("Broker and workers were not asked.")
        return
    problem = _broker_problem(celery)
    if problem is not None:
        yield _unreachable(problem)
        return
    yield from _workers(celery)
    yield from _sweeping(context, celery)


def _configuration(celery: Any) -> Iterator[Finding]:
    if celery.conf.task_always_eager:
        yield warning(
            "Celery runs with task_always_eager.",
            reason="Handlers run in the request after all, and nothing is swept.",
            hint="Turn it off outside of tests.",
        )


def _broker_problem(celery: Any) -> str | None:
    try:
        with celery.connection_for_write(connect_timeout=_ANSWER) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_ANSWER)
    except Exception as failure:  # noqa: BLE001 (each broker's driver has errors of its own)
        return type(failure).__name__
    return None


def _unreachable(problem: str) -> Finding:
    return error(
        f"Celery's broker can't be reached ({problem}).",
        reason="Events are stored and wait until it is back.",
        hint="See that it is up, and that broker_url is right.",
    )


def _workers(celery: Any) -> Iterator[Finding]:
    answers = celery.control.ping(timeout=_ANSWER)
    if not answers:
        yield error(
            "No Celery worker answers.",
            reason="Events are stored, and nobody handles them.",
            hint="Start one: `celery -A your_app worker`.",
        )
        return
    registered = celery.control.inspect(timeout=_ANSWER).registered() or {}
    without = [name for name, tasks in registered.items() if _HANDLE not in tasks]
    if without:
        yield error(
            f"The worker {without[0]} does not know flask_paysafer's tasks.",
            reason="It drops the messages of events.",
            hint="Create the Flask app in the module that the worker loads.",
        )
    else:
        yield ok(f"{len(answers)} Celery workers answer and know the tasks.")


def _sweeping(context: CheckContext, celery: Any) -> Iterator[Finding]:
    limit = 3 * context.config.sweep_interval + 30
    waiting = list(_waiting(context, limit))
    yield from waiting or _beat(limit, celery.control.inspect(timeout=_ANSWER).stats() or {})


def _beat(limit: float, workers: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Judge by what the workers have been sent, for nobody can ask beat itself."""
    sweeps = sum(worker.get("total", {}).get(_SWEEP, 0) for worker in workers.values())
    oldest = max((worker.get("uptime", 0) for worker in workers.values()), default=0)
    if sweeps:
        yield ok("Sweeps come in: beat is running, or was since the workers started.")
    elif oldest > limit:
        yield error(
            f"The workers have been up for {oldest:.0f} s, and no sweep has come by.",
            reason="What the broker loses is never handled, and no failed handler is tried again.",
            hint=_START_BEAT,
        )
    elif workers:
        yield note(
            "The workers have just started, and no sweep has come by yet.",
            hint=f"Look again in {limit:.0f} seconds.",
        )


def _waiting(context: CheckContext, limit: float) -> Iterator[Finding]:
    try:
        waited = context.state.inbox.browser.oldest_due()
    except InboxUnavailableError:
        return  # the check of the inbox says why
    if waited is not None and waited > limit:
        yield error(
            f"An event has been due for {waited:.0f} s, and no sweep has come by.",
            reason="What the broker loses is never handled.",
            hint=_START_BEAT,
        )
