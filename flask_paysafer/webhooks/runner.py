"""What became of an event that was dispatched."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

from flask import Flask

from .. import signals
from ..errors import InboxUnavailableError, InvalidPayloadError, PayloadUnreadableError
from ..events import Event, is_local_type
from ..inbox.records import Claim, Failure, Mark, Recorded, Stored, is_settled, object_id_of
from ..resources import Resource
from .handlers import HandlerRegistry, Job, Jobs, describe, fresh_context, send_robust

if TYPE_CHECKING:
    from ..inbox.store import Inbox


DispatchResult = Literal["done", "busy", "failed", "queued", "unwanted", "stale"]
"""``done``: every handler is done, or the one that was asked for. ``busy``: another worker
has it. ``failed``: a handler failed, the others are done. ``queued``: stored, and to be
handled later. ``unwanted``: the handler that was asked for is not for such an event.
``stale``: it has handled a newer event of the same object, and leaves out older ones."""


# Run one job of one event and enter it in the ledger.
#
# :class:`PlainRun` is for inboxes of their own: the handler runs, then its ledger row
# is written. A crash between the two runs the handler again: at least once.
# :class:`.transactions.SessionRun` joins both in the merchant's session: exactly once.


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


# Run one claimed event's handlers and note what became of it.


logger = logging.getLogger(__name__)

Retrieve = Callable[[Event], Resource]
"""Gets an event's object as it is now, from the API."""


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
        send_robust(signals.event_received, self._app, event=event)

    def run(self, claim: Claim, event: Event, *, retry_in: float | None = None) -> DispatchResult:
        """Run the handlers that are not yet done, each alone, and note the outcome.

        :param retry_in: Seconds until a failed event is due again; None makes it ``failed``.
        :raises BaseException: what ends the process; the event can be claimed again at once.
        """
        with self._inbox.keeping(claim):
            return self.run_kept(claim, event, retry_in=retry_in)

    def run_kept(
        self, claim: Claim, event: Event, *, retry_in: float | None = None
    ) -> DispatchResult:
        """As :meth:`run`, for a caller that keeps the claim's lease."""
        try:
            leader = self._inbox.facts.leader_of(event)
            if leader is not None and leader[1] != claim.key:
                return self._follow(claim, *leader, retry_in)
            return self._run_claimed(claim, event, retry_in)
        except BaseException:
            self.give_back(claim)
            raise

    def run_only(self, claim: Claim, event: Event, name: str) -> DispatchResult:
        """Run one handler of an event under a replay lock, and note a failure of it.

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
            self._tell_failure(event, claim, NO_HANDLER, error, final=True)
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
        try:
            event = stored.read(self._inbox.profile)
        except PayloadUnreadableError as error:
            return self.give_up(stored.claim, None, error)
        # Its own event, and so its own idempotency keys: it may have run in part.
        return self.run(stored.claim, event, retry_in=retry_in)

    def _run_claimed(self, claim: Claim, event: Event, retry_in: float | None) -> DispatchResult:
        jobs = self.jobs.for_event(event)
        if not jobs and is_local_type(event.type):
            self._inbox.ledger.ignore(claim, "no handler")
            return "unwanted"
        todo = self._not_done(claim, jobs)
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
        for one in copies:
            one.set_origin(self._inbox.account, local=event.local)
            if self._retrieve is not None:
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
        except Exception as error:  # noqa: BLE001 (whatever the merchant's code raises)
            failure = Failure(job.name, describe(error))
            logger.error(  # noqa: TRY400 (a traceback would show what describe() takes out)
                "Handler %s failed for event %s: %s", job.name, event.id, failure.error
            )
            outcome.failures.append(failure)
            self._tell_failure(event, claim, job.name, error, final=final)

    def _not_done(self, claim: Claim, jobs: list[Job]) -> list[Job]:
        if claim.is_first:
            return jobs
        done = self._inbox.ledger.done_handlers(claim.key)
        return [job for job in jobs if job.name not in done]

    def _tell_failure(
        self, event: Event, claim: Claim, handler: str, error: Exception, *, final: bool
    ) -> None:
        send_robust(
            signals.event_failed,
            self._app,
            event=event,
            handler=handler,
            attempt=claim.attempt,
            error=error,
            final=final,
        )

    def _done(self, event: Event) -> DispatchResult:
        send_robust(signals.event_processed, self._app, event=event)
        return "done"


def _job_run(app: Flask, inbox: Inbox, db: Any) -> JobRun:
    if db is None:
        return PlainRun(app, inbox)
    from .transactions import SessionRun

    return SessionRun(app, inbox, db)


# Handle events that are stored already: what is due, what was lost, what is replayed.


GROWTH = 2.24
"""How much longer each wait is than the one before: 12 attempts from 30 s on fill 48 hours."""

_JITTER = 0.1
_BATCH = 50


def wait_before(attempt: int, *, base: float, jitter: Callable[[], float]) -> float:
    """Return the seconds from a failed ``attempt`` (from 1) to the next.

    :param jitter: Returns a number from 0 to 1; spreads what failed together by 10 %.
    """
    wait: float = base * GROWTH ** (attempt - 1)
    return wait * (1 - _JITTER + 2 * _JITTER * jitter())


_WORKERS_DIED = RuntimeError(
    "Every attempt ended without an outcome: workers were killed at this event, or lost their lease"
)


class Stop(Protocol):
    """Whether the process is to stop: a ``threading.Event``, or one that processes share."""

    def is_set(self) -> bool:
        """Return True once it is."""


class Backlog:
    """Works off stored events.

    :param max_attempts: After how many an event is ``failed``.
    :param retry_base: Seconds to the first retry; None: a failed event waits to be
        delivered or replayed.
    :param local_retry_base: The same for local events, which have no sender that retries.
    """

    def __init__(
        self,
        run: EventRun,
        inbox: Inbox,
        *,
        max_attempts: int = 1,
        retry_base: float | None = None,
        local_retry_base: float = 30.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._run = run
        self._local_retry_base = local_retry_base
        self._inbox = inbox
        self._max_attempts = max_attempts
        self._retry_base = retry_base
        self._jitter = jitter

    def handle(self, key: int) -> DispatchResult:
        """Handle one event if it is due and nobody has it."""
        stored = self._inbox.claims.take_due(key)
        return "busy" if stored is None else self.handle_claimed(stored)

    def handle_again(self, key: int) -> DispatchResult:
        """Handle a stored event of which another copy came in, unless it is done or held."""
        stored = self._inbox.claims.take_stored(key)
        if stored is None:
            return "done" if is_settled(self._inbox.claims.state_of(key)) else "busy"
        return self.handle_claimed(stored)

    def handle_local(self, key: int) -> None:
        """Handle a local event now, and those of the same object that waited for it.

        Whatever fails is left to the sweep.
        """
        following: int | None = key
        try:
            while following is not None and self._inbox.claims.is_next_in_sequence(following):
                if self.handle(following) == "busy":
                    return
                following = self._inbox.claims.next_in_sequence(following)
        except InboxUnavailableError as error:
            logger.warning("A local event (row %d) waits for the next sweep: %s", key, error)

    def handle_batch(
        self, at_most: int, stop: Stop | None = None
    ) -> list[tuple[int, DispatchResult]]:
        """Claim and handle what waits, the longest waiting first.

        :param stop: Once it is set, what is not begun is given back.
        :returns: Key and result of each event; empty when nothing waits.
        """
        waiting = self._inbox.batches.take(at_most)
        results: list[tuple[int, DispatchResult]] = []
        with self._inbox.keeping_all([stored.claim for stored in waiting]):
            try:
                while waiting and not (stop and stop.is_set()):
                    stored = waiting.pop(0)
                    results.append((stored.claim.key, self._handle_kept(stored)))
            finally:
                for stored in waiting:
                    self._run.give_back(stored.claim, spent=False)
        return results

    def handle_lapsed(self) -> tuple[int, DispatchResult] | None:
        """Claim and handle one event whose worker died; None if there is none."""
        stored = self._inbox.batches.take_lapsed()
        return None if stored is None else (stored.claim.key, self.handle_claimed(stored))

    def sweep(self, at_most: int) -> list[DispatchResult]:
        """Handle everything that is due, but no more than ``at_most`` events."""
        results: list[DispatchResult] = []
        while len(results) < at_most:
            handled = self.handle_batch(min(_BATCH, at_most - len(results)))
            lapsed = self.handle_lapsed()
            results.extend(result for _, result in handled)
            if lapsed is not None:
                results.append(lapsed[1])
            elif not handled:
                break
        return results

    def handle_claimed(self, stored: Stored) -> DispatchResult:
        """Run the handlers of a claimed event that are not yet done."""
        with self._inbox.keeping(stored.claim):
            return self._handle_kept(stored)

    def _handle_kept(self, stored: Stored) -> DispatchResult:
        claim = stored.claim
        try:
            event = stored.read(self._inbox.profile)
        except (InvalidPayloadError, PayloadUnreadableError) as error:
            return self._run.give_up(claim, None, error)
        base = self._local_retry_base if stored.local else self._retry_base
        if base is not None and claim.attempt > self._max_attempts:
            return self._run.give_up(claim, event, _WORKERS_DIED)
        return self._run.run_kept(claim, event, retry_in=self._retry_in(claim, base))

    def replay_handler(self, key: int, handler: str) -> DispatchResult:
        """Run one handler of an event by an operator's decision, done or not, here and now.

        Nobody else handles the event meanwhile. What else it waits for, or has failed at, is
        left as it is, whatever the outcome, also if the process dies. If a reconciliation event
        was handled in its place, that one's handler runs.
        """
        stored = self._inbox.replay_locks.take(key)
        if stored is None:
            return "busy"
        try:
            with self._inbox.keeping(stored.claim):
                result = self._replay_locked(stored, handler)
        finally:
            self._unlock(stored.claim)
        return self.replay_handler(result, handler) if isinstance(result, int) else result

    def _replay_locked(self, stored: Stored, handler: str) -> DispatchResult | int:
        """Return the outcome, or the row of the reconciliation event that is to be replayed."""
        claim = stored.claim
        self._inbox.upkeep.note_replay(claim.key)
        try:
            event = stored.read(self._inbox.profile)
        except (InvalidPayloadError, PayloadUnreadableError) as error:
            logger.error("An event can't be replayed (row %d): %s", claim.key, error)  # noqa: TRY400
            self._inbox.ledger.add_failures(claim, [Failure(NO_HANDLER, describe(error))])
            return "failed"
        leader = self._inbox.facts.leader_of(event)
        if leader is not None and leader[1] != claim.key:
            return leader[1]
        return self._run.run_only(claim, event, handler)

    def _unlock(self, lock: Claim) -> None:
        try:
            self._inbox.replay_locks.release(lock)
        except InboxUnavailableError as error:
            logger.warning("A replay lock was not released and has to run out: %s", error)

    def _retry_in(self, claim: Claim, base: float | None) -> float | None:
        if base is None or claim.attempt >= self._max_attempts:
            return None
        return wait_before(claim.attempt, base=base, jitter=self._jitter)


# Take a stored event to its handlers.


class Dispatcher(Protocol):
    """Takes a stored event to its handlers."""

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Have the event handled, now or later."""

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Have a stored event handled once more, by a person's decision.

        :param again: Also run the handlers that are done.
        """

    def handle_local(self, key: int) -> None:
        """Have a local event handled, now or later."""


class InlineDispatcher:
    """Runs handlers where the event came in, before it is answered."""

    def __init__(self, run: EventRun, inbox: Inbox, backlog: Backlog | None = None) -> None:
        self._run = run
        self._inbox = inbox
        self._backlog = backlog or Backlog(run, inbox)

    def wants(self, event: Event) -> bool:
        """Whether any handler or receiver is for the event."""
        return self._run.jobs.wants(event.type)

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Run the handlers that are not yet done.

        :raises InboxUnavailableError: if the outcome could not be stored.
        """
        if recorded.is_new:
            self._run.announce(event)
        if recorded.state in ("done", "quarantined"):
            return "done"
        if recorded.conflict:
            return self._backlog.handle_again(recorded.key)
        claim = recorded.claim or self._inbox.claims.take(recorded.key)
        if claim is None:
            return "done" if self._inbox.claims.state_of(recorded.key) == "done" else "busy"
        return self._run.run(claim, event)

    def replay(self, key: int, *, again: bool = False) -> DispatchResult:
        """Handle a stored event once more, here and now."""
        if not self._inbox.upkeep.requeue(key, again=again):
            return "busy"
        return self._backlog.handle(key)

    def handle_local(self, key: int) -> None:
        """Handle a local event, here and now."""
        self._backlog.handle_local(key)
