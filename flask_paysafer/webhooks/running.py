"""Run one job of one event and enter it in the ledger.

:class:`PlainRun` is for inboxes of their own: the handler runs, then its ledger row
is written. A crash between the two runs the handler again: at least once.
:class:`.transactions.SessionRun` joins both in the merchant's session: exactly once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from flask import Flask

from ..inbox.records import Claim
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


class PlainRun:
    """Runs a handler first and writes its ledger row after it."""

    def __init__(self, app: Flask, inbox: Inbox) -> None:
        self._app = app
        self._inbox = inbox

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """See :meth:`JobRun.run`."""
        with fresh_context(self._app):
            job.run(event)
        return self._inbox.ledger.note_done(claim, job.name, closes=closes)
