"""Run a handler inside the merchant's database session: exactly once.

The ledger row comes first, then the handler's writes, then one commit for both.
Whoever comes second meets the ledger row and does nothing; a crash takes back both.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask
from sqlalchemy import Connection
from sqlalchemy.orm import Session, scoped_session

from ..events import Event
from ..inbox.database import translated_errors
from ..inbox.records import Claim, Mark
from ..inbox.store import Inbox
from .handlers import Job, fresh_context
from .runner import STALE, mark_of

logger = logging.getLogger(__name__)


def current_session(db: Any) -> Session:
    """Return the session of the current app context, from either extension.

    :param db: Flask-SQLAlchemy's object or Flask-SQLAlchemy-Lite's.
    """
    found = db.session
    session: Session = found() if isinstance(found, scoped_session) else found
    return session


class SessionRun:
    """Runs handlers in the session of ``db``, each in one transaction with its ledger row."""

    def __init__(self, app: Flask, inbox: Inbox, db: Any) -> None:
        self._app = app
        self._inbox = inbox
        self._db = db

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """See :meth:`.running.JobRun.run`."""
        with fresh_context(self._app):
            session = current_session(self._db)
            try:
                if self._enter(session, claim, job):
                    return self._run_entered(session, claim, event, job, closes=closes)
            except BaseException:
                current_session(self._db).rollback()
                raise
            session.rollback()
        return self._inbox.ledger.note_done(claim, None, closes=closes)

    def _enter(self, session: Session, claim: Claim, job: Job) -> bool:
        with translated_errors():
            return self._inbox.ledger.enter(self._connection(session), claim, job.name)

    def _connection(self, session: Session) -> Connection:
        # By the table, so that a session that routes by table finds the inbox's database.
        table = self._inbox.database.tables.handler_run
        return session.connection(bind_arguments={"clause": table})

    def _run_entered(
        self, session: Session, claim: Claim, event: Event, job: Job, *, closes: bool
    ) -> bool:
        mark = mark_of(claim, event, job)
        if mark is not None and self._is_stale(session, mark):
            self._skip(session, claim, job)
        elif not self._call(session, claim, event, job):
            current_session(self._db).rollback()
            return False
        return self._commit(claim, mark, closes=closes)

    def _is_stale(self, session: Session, mark: Mark) -> bool:
        # What fails here is the inbox's, not the handler's: under REPEATABLE READ whoever
        # waited for the object is refused, and comes again.
        with translated_errors():
            return self._inbox.watermarks.is_stale(self._connection(session), mark)

    def _skip(self, session: Session, claim: Claim, job: Job) -> None:
        connection = self._connection(session)
        self._inbox.ledger.mark_skipped(connection, claim, job.name, STALE)

    def _call(self, session: Session, claim: Claim, event: Event, job: Job) -> bool:
        """Call the handler; False if another worker proves to be done with it."""
        transaction = session.get_transaction()
        with _commits_deferred(session, job.name):
            job.run(event)
        session = current_session(self._db)
        is_same = session.get_transaction() is transaction
        return is_same or self._reenter(session, claim, job)

    def _commit(self, claim: Claim, mark: Mark | None, *, closes: bool) -> bool:
        session = current_session(self._db)
        connection = self._connection(session)
        if mark is not None:
            self._inbox.watermarks.advance(connection, mark)
        held = self._inbox.ledger.close(connection, claim) if closes else True
        session.commit()
        return held

    def _reenter(self, session: Session, claim: Claim, job: Job) -> bool:
        """Put the ledger row back where the handler ended the transaction it was in.

        :returns: False if another worker is done with the handler.
        """
        logger.warning(
            "The handler %s ended the database transaction it was run in. Leave commit and "
            "rollback of the session to the extension; use begin_nested() for parts that may fail.",
            job.name,
        )
        if self._enter(session, claim, job):
            return True
        return self._inbox.ledger.is_ours(self._connection(session), claim, job.name)


@contextmanager
def _commits_deferred(session: Session, handler: str) -> Iterator[None]:
    """Turn the handler's own ``commit()`` into a flush, with a logged warning.

    Committed there and then, its writes would stand although the handler fails a line
    later, and come again with the next attempt. They are committed with the ledger row.
    """
    session.__dict__["commit"] = _deferred_commit(session, handler)
    try:
        yield
    finally:
        session.__dict__.pop("commit", None)


def _deferred_commit(session: Session, handler: str) -> Callable[[], None]:
    def commit() -> None:
        logger.warning(
            "The handler %s commits the session by itself. Its writes were flushed, and are "
            "committed together with its ledger row when it returns: remove the commit().",
            handler,
        )
        session.flush()

    return commit
