"""Run one claimed event's handlers and note what became of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask

from .. import signals
from ..inbox.errors import InboxUnavailableError, PayloadUnreadableError
from ..inbox.records import Claim, Failure, is_settled
from ..resources import Event, Resource
from .calling import describe
from .handlers import HandlerRegistry
from .jobs import Job, Jobs, tell_observers
from .results import DispatchResult
from .running import JobRun, ObjectBusyError, PlainRun, mark_of

if TYPE_CHECKING:
    from ..inbox.store import Inbox

logger = logging.getLogger(__name__)

Retrieve = Callable[[Event], Resource]
"""Gets an event's object as it is now, from the API."""


UNREADABLE = PayloadUnreadableError(
    "The payload is encrypted with a key that is not among those set. It is kept as it is: set "
    "the key again, behind the present one, and replay the event"
)

NO_HANDLER = "(none)"
"""What stands for the handler where an event failed before any was run."""

_OBJECT_WAIT = 2.0
"""Seconds until an event is tried again whose object is being handled by another worker."""


@dataclass
class _Outcome:
    """What has become of one event's jobs so far."""

    failures: list[Failure] = field(default_factory=list)
    waits: bool = False
    held: bool = True

    @property
    def is_clean(self) -> bool:
        return not self.failures and not self.waits


class EventRun:
    """Runs everything that one claimed event asks for.

    :param db: The merchant's Flask-SQLAlchemy object: then a handler's writes and its
        ledger row are one transaction.
    :param retrieve: What ``event.refresh()`` calls.
    """

    def __init__(
        self,
        app: Flask,
        registry: HandlerRegistry,
        inbox: Inbox,
        *,
        db: Any = None,
        retrieve: Retrieve | None = None,
    ) -> None:
        self.jobs = Jobs(app, registry)
        self._app = app
        self._inbox = inbox
        self._retrieve = retrieve
        self._job_run = _job_run(app, inbox, db)

    def announce(self, event: Event) -> None:
        """Tell observers of a new event."""
        tell_observers(signals.event_received, self._app, event=event)

    def run(self, claim: Claim, event: Event, *, retry_in: float | None = None) -> DispatchResult:
        """Run the handlers that are not yet done, each alone, and note the outcome.

        :param retry_in: Seconds until a failed event is due again; None makes it ``failed``.
        :raises BaseException: what ends the process; the event can be claimed again at once.
        """
        try:
            with self._inbox.keeping(claim):
                leader = self._inbox.facts.leader_of(event)
                if leader is not None and leader[1] != claim.key:
                    return self._follow(claim, *leader, retry_in)
                return self._run_claimed(claim, event, retry_in)
        except BaseException:
            self.give_back(claim)
            raise

    def run_only(self, claim: Claim, event: Event, name: str) -> DispatchResult:
        """Run one handler of an event that is being visited, and note a failure of it.

        The event's state stays as it is, unless this was all that it waited for.
        """
        jobs = self.jobs.for_event(event)
        job = next((job for job in jobs if job.name == name), None)
        if job is None:
            return "unwanted"
        mark = mark_of(claim, event, job)
        if mark is not None and self._inbox.watermarks.is_past(mark):
            return "stale"  # and the row that may say that it ran stands
        outcome = _Outcome()
        for own_event in self._copies(event, 1):
            self._run_job(claim, own_event, job, outcome, closes=False, final=True)
        if outcome.failures:
            self._inbox.ledger.add_failures(claim, outcome.failures)
            return "failed"
        if outcome.waits or not outcome.held:
            return "busy"
        done = self._inbox.ledger.done_handlers(claim.key)
        is_finished = all(job.name in done for job in jobs)
        if is_finished and self._inbox.ledger.close_idle(claim):
            return self._done(event)
        return "done"

    def give_back(self, claim: Claim, *, spent: bool = True) -> None:
        """Let anybody claim the event at once; if the database is away, its lease runs out."""
        try:
            self._inbox.ledger.release(claim, spent=spent)
        except InboxUnavailableError as error:
            logger.warning("A claim was not given back and has to run out: %s", error)

    def give_up(self, claim: Claim, event: Event | None, error: Exception) -> DispatchResult:
        """Make the event ``failed`` without running anything.

        :param event: None where the payload can't be read as one.
        """
        logger.error("An event was given up (row %d): %s", claim.key, error)
        failure = Failure(NO_HANDLER, describe(error))
        held = self._inbox.ledger.note_failures(claim, [failure], retry_in=None)
        if event is not None:
            self._tell_failure(event, claim, NO_HANDLER, error)
        return "failed" if held else "busy"

    def _follow(self, claim: Claim, name: str, key: int, retry_in: float | None) -> DispatchResult:
        """Have the event that reconcile made of the same fact stand for this one."""
        result = self._run_leader(key, retry_in)
        if result == "done":
            note = partial(self._inbox.facts.note_follower, event_key=claim.key, name=name)
            self._inbox.ledger.note_done(claim, None, closes=True, beside=note)
        elif result == "failed":
            self._inbox.ledger.note_failures(claim, [], retry_in=retry_in)
        else:
            self._inbox.ledger.release(claim, wait=_OBJECT_WAIT, spent=False)
        return result

    def _run_leader(self, key: int, retry_in: float | None) -> DispatchResult:
        stored = self._inbox.claims.take_stored(key)
        if stored is None:
            settled = is_settled(self._inbox.claims.state_of(key))
            return "done" if settled else "busy"
        if stored.payload is None:
            return self.give_up(stored.claim, None, UNREADABLE)
        # Its own event, and so its own idempotency keys: it may have run in part.
        return self.run(stored.claim, Event.from_json(stored.payload), retry_in=retry_in)

    def _run_claimed(self, claim: Claim, event: Event, retry_in: float | None) -> DispatchResult:
        todo = self._not_done(claim, self.jobs.for_event(event))
        outcome = _Outcome()
        for job, own_event in zip(todo, self._copies(event, len(todo)), strict=True):
            closes = job is todo[-1] and outcome.is_clean
            self._run_job(claim, own_event, job, outcome, closes=closes, final=retry_in is None)
            if not outcome.held:  # another worker has the event, and runs the rest
                break
        if outcome.failures:
            held = self._inbox.ledger.note_failures(claim, outcome.failures, retry_in=retry_in)
            return "failed" if held else "busy"
        if outcome.waits:
            self._inbox.ledger.release(claim, wait=_OBJECT_WAIT, spent=False)
            return "busy"
        if not todo:
            outcome.held = self._inbox.ledger.note_done(claim, None, closes=True)
        return self._done(event) if outcome.held else "busy"

    def _copies(self, event: Event, count: int) -> list[Event]:
        """Return an event for each job, so that none sees what another made of it."""
        copies = [event] if count == 1 else [deepcopy(event) for _ in range(count)]
        if self._retrieve is not None:
            for one in copies:
                one.bind(self._retrieve)
        return copies

    def _run_job(
        self,
        claim: Claim,
        event: Event,
        job: Job,
        outcome: _Outcome,
        *,
        closes: bool,
        final: bool,
    ) -> None:
        try:
            outcome.held &= self._job_run.run(claim, event, job, closes=closes)
        except InboxUnavailableError:
            raise
        except ObjectBusyError:
            outcome.waits = True
        except Exception as error:
            logger.exception("Handler %s failed for event %s", job.name, event.id)
            outcome.failures.append(Failure(job.name, describe(error)))
            if final:
                self._tell_failure(event, claim, job.name, error)

    def _not_done(self, claim: Claim, jobs: list[Job]) -> list[Job]:
        if claim.is_first:
            return jobs
        done = self._inbox.ledger.done_handlers(claim.key)
        return [job for job in jobs if job.name not in done]

    def _tell_failure(self, event: Event, claim: Claim, handler: str, error: Exception) -> None:
        tell_observers(
            signals.event_failed,
            self._app,
            event=event,
            handler=handler,
            attempt=claim.attempt,
            error=error,
        )

    def _done(self, event: Event) -> DispatchResult:
        tell_observers(signals.event_processed, self._app, event=event)
        return "done"


def _job_run(app: Flask, inbox: Inbox, db: Any) -> JobRun:
    if db is None:
        return PlainRun(app, inbox)
    from .transactions import SessionRun

    return SessionRun(app, inbox, db)
