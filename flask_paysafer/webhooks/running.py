"""Run one job of one event and enter it in the ledger.

:class:`PlainRun` is for inboxes of their own: the handler runs, then its ledger row
is written. A crash between the two runs the handler again: at least once.
:class:`.transactions.SessionRun` joins both in the merchant's session: exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from flask import Flask

from ..inbox.records import Claim, Mark, object_id_of
from ..resources import Event
from .calling import fresh_context
from .jobs import Job

if TYPE_CHECKING:
    from ..inbox.store import Inbox


class JobRun(Protocol):
    """Runs jobs under the ledger."""

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """Run ``job`` for ``event`` and write its ledger row.

        :param closes: Mark the event done in the same commit.
        :returns: False if another worker took the event meanwhile.
        :raises Exception: whatever the handler raised; then nothing was written.
        """


class ObjectBusyError(Exception):
    """Another event of the same object is being handled by the same handler."""


STALE = "stale"
"""What the ledger says of an event left out because a newer one was handled."""


def mark_of(claim: Claim, event: Event, job: Job) -> Mark | None:
    """Return the job's place for the event's object; None where order doesn't matter."""
    object_id = object_id_of(event) if job.skips_stale else None
    if object_id is None:
        return None
    return Mark(job.name, object_id, event.created, claim.key)


class PlainRun:
    """Runs a handler first and writes its ledger row after it."""

    def __init__(self, app: Flask, inbox: Inbox) -> None:
        self._app = app
        self._inbox = inbox

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """See :meth:`JobRun.run`."""
        mark = mark_of(claim, event, job)
        if mark is not None:
            return self._run_in_order(claim, event, job, mark, closes=closes)
        self._call(event, job)
        return self._inbox.ledger.note_done(claim, job.name, closes=closes)

    def _call(self, event: Event, job: Job) -> None:
        with fresh_context(self._app):
            job.run(event)

    def _run_in_order(
        self, claim: Claim, event: Event, job: Job, mark: Mark, *, closes: bool
    ) -> bool:
        marks, ledger = self._inbox.watermarks, self._inbox.ledger
        found = marks.hold(mark)
        if found == "busy":
            raise ObjectBusyError
        if found == "stale":
            return ledger.note_done(claim, job.name, closes=closes, skipped=STALE)
        try:
            with self._inbox.keeping_object(mark):
                self._call(event, job)
        except BaseException:
            marks.let_go(mark)
            raise
        return ledger.note_done(
            claim,
            job.name,
            closes=closes,
            beside=lambda connection: marks.advance(connection, mark),
        )
