"""Run a handler in one database transaction with its execution row: exactly once.

The row comes first, then the handler's writes, then one commit for both. Whoever comes second
meets the row and does nothing; a crash takes back both.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask

from ..events import Event
from ..inbox.database import translated_errors
from ..inbox.records import Claim, Mark
from ..inbox.store import Inbox
from .handlers import Job, fresh_context
from .runner import STALE, mark_of
from .sessions import HandlerTransaction

logger = logging.getLogger(__name__)


class SessionRun:
    """Runs handlers in the session of ``db``, each in one transaction with its execution row."""

    def __init__(self, app: Flask, inbox: Inbox, db: Any) -> None:
        self._app = app
        self._inbox = inbox
        self._db = db
        self._warned: set[str] = set()

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """See :meth:`.runner.JobRun.run`."""
        with fresh_context(self._app), self._transaction(job) as transaction:
            if self._enter(transaction, claim, job):
                return self._run_entered(transaction, claim, event, job, closes=closes)
        return self._inbox.ledger.note_done(claim, None, closes=closes)

    def _transaction(self, job: Job) -> HandlerTransaction:
        return HandlerTransaction(
            self._inbox.database, self._db, on_commit=lambda: self._note_commit(job.name)
        )

    def _enter(self, transaction: HandlerTransaction, claim: Claim, job: Job) -> bool:
        with translated_errors():
            return self._inbox.ledger.enter(transaction.as_inbox(), claim, job.name)

    def _run_entered(
        self,
        transaction: HandlerTransaction,
        claim: Claim,
        event: Event,
        job: Job,
        *,
        closes: bool,
    ) -> bool:
        mark = mark_of(claim, event, job)
        if mark is not None and self._is_stale(transaction, mark):
            self._inbox.ledger.mark_skipped(transaction.as_inbox(), claim, job.name, STALE)
        else:
            job.run(event)
        return self._commit(transaction, claim, mark, closes=closes)

    def _is_stale(self, transaction: HandlerTransaction, mark: Mark) -> bool:
        # What fails here is the inbox's, not the handler's: under REPEATABLE READ whoever
        # waited for the object is refused, and tries again later.
        with translated_errors():
            return self._inbox.watermarks.is_stale(transaction.as_inbox(), mark)

    def _commit(
        self, transaction: HandlerTransaction, claim: Claim, mark: Mark | None, *, closes: bool
    ) -> bool:
        connection = transaction.as_inbox()
        if mark is not None:
            self._inbox.watermarks.advance(connection, mark)
        held = self._inbox.ledger.close(connection, claim) if closes else True
        transaction.commit()
        return held

    def _note_commit(self, handler: str) -> None:
        if handler in self._warned:
            return
        self._warned.add(handler)
        logger.warning(
            "The handler %s commits the session by itself. What it has written until then is kept "
            "from a later rollback(), and committed when the handler returns, together with the "
            "record that it ran; if it fails, nothing is. The commit() can be left out.",
            handler,
        )
