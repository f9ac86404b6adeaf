"""Find the app that belongs to a Celery, and put its sweep on that Celery's schedule.

``app.extensions["celery"]`` may be set before ``init_app`` or after it. What is not
there yet is looked for when a worker or beat of that Celery starts.
"""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from celery import Celery, shared_task
from celery.signals import import_modules, worker_init, worker_shutting_down
from flask import Flask, current_app, has_app_context

from .errors import ConfigurationError, InboxUnavailableError
from .state import AppState, states
from .webhooks.celery import (
    FIRST_ACCOUNT,
    HANDLE,
    LARGEST_BATCH,
    RENEW,
    SWEEP,
    Publisher,
    SharedStop,
    Waker,
    Worker,
)

_waiting: set[Flask] = set()
"""Apps whose Celery was not seen yet. Held strongly, for a worker's module may keep its
Celery alone; later the Celery holds its apps itself, and both can go together."""

_HOLDS = "flask_paysafer_apps"


def attach(app: Flask) -> None:
    """Let the workers of the app's Celery find it, and have it swept."""
    celery = app.extensions.get("celery")
    if celery is None:
        _waiting.add(app)
    else:
        _adopt(celery, app)


@import_modules.connect  # type: ignore[untyped-decorator]  # Celery has no annotations
def _on_start(sender: Any, **_: Any) -> None:
    for app in [app for app in _waiting if app.extensions.get("celery") is sender]:
        _waiting.discard(app)
        _adopt(sender, app)
    for app in _apps_of(sender):
        _schedule(sender, app)


def _adopt(celery: Celery, app: Flask) -> None:
    apps = _apps_of(celery)
    if app not in apps:
        setattr(celery, _HOLDS, [*apps, app])
    _schedule(celery, app)


def _apps_of(celery: Celery) -> list[Flask]:
    found: list[Flask] = getattr(celery, _HOLDS, [])
    return found


def _schedule(celery: Celery, app: Flask) -> None:
    for state in states(app).values():
        config = state.config
        if config.dispatch == "celery":
            _schedule_task(celery, "sweep", SWEEP, config.name, config.sweep_interval)
            _schedule_task(celery, "renewals", RENEW, config.name, config.renewals_interval)


def _schedule_task(celery: Celery, what: str, task: str, account: str, interval: float) -> None:
    entry = f"flask-paysafer-{what}-{account}"
    if entry in (celery.conf.beat_schedule or {}):
        return
    # A run that waited longer than to the next one has nothing left to do.
    celery.add_periodic_task(
        interval, celery.signature(task), args=(account,), name=entry, expires=interval
    )


def state_for(celery: Celery, account: str) -> AppState:
    """Return the extension that a task of ``celery`` works for.

    :raises ConfigurationError: if no app with this Celery is known to the worker.
    """
    for app in _candidates(celery):
        if account in states(app):
            return states(app)[account]
    raise ConfigurationError(
        f"No Flask app with the PaySafer extension {account!r} belongs to this Celery. Create the "
        'app in the worker\'s module, and set app.extensions["celery"].'
    )


def _candidates(celery: Celery) -> list[Flask]:
    known = _apps_of(celery)
    if has_app_context():
        return [current_app._get_current_object(), *known]  # type: ignore[attr-defined]
    return known


# The tasks themselves, on whichever Celery the merchant has.


logger = logging.getLogger(__name__)

_MOST_MESSAGES = 20
_AFTER_THE_LEASE = 0.05
_workers: WeakKeyDictionary[AppState, Worker] = WeakKeyDictionary()

_RELIABLE: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "bind": True,
}

_STOP = SharedStop()
"""Set in every process of this worker when it is to stop, so that claims are given back."""


@worker_init.connect  # type: ignore[untyped-decorator]
def _on_worker_start(**_: Any) -> None:
    _STOP.clear()


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _on_worker_stop(**_: Any) -> None:
    _STOP.set()


def _make_worker(state: AppState) -> Worker:
    publisher = Publisher(state.app, account=state.config.name)
    waker = Waker(state.inbox, publisher, lost_after=state.config.sweep_interval)
    return Worker(state.backlog, waker, stop=_STOP)


@shared_task(name=HANDLE, **_RELIABLE)  # type: ignore[untyped-decorator]  # as Celery is
def handle(task: Any, key: int, account: str = FIRST_ACCOUNT) -> None:
    """Handle what is due, the event with this row among it."""
    state = state_for(task.app, account)
    worker = _workers.get(state) or _workers.setdefault(state, _make_worker(state))
    try:
        worker.work(key)
    except InboxUnavailableError as error:
        logger.warning("The inbox is away; the sweep will find what is due: %s", error)


@shared_task(name=SWEEP, ignore_result=True, bind=True)  # type: ignore[untyped-decorator]
def sweep(task: Any, account: str = FIRST_ACCOUNT) -> None:
    """Find what the broker lost, what a dead worker left and what is to be tried again.

    Sends a few messages, not one per event: each makes a worker take all it can. A lease that
    ends before the next sweep is a dead worker's: a message arrives when it has ended.
    """
    state = state_for(task.app, account)
    publisher = Publisher(state.app, account=account)
    try:
        state.sweep_checkouts()
        due = state.inbox.batches.due_keys(LARGEST_BATCH * _MOST_MESSAGES)
        ending = state.inbox.batches.leases_ending(state.config.sweep_interval)
    except InboxUnavailableError as error:
        logger.warning("The inbox is away and can't be swept: %s", error)
        return
    for key in due[::LARGEST_BATCH]:
        publisher.publish(key)
    for seconds in sorted(set(ending or ())):
        publisher.publish(0, after=seconds + _AFTER_THE_LEASE)


@shared_task(name=RENEW, ignore_result=True, bind=True)  # type: ignore[untyped-decorator]
def renew(task: Any, account: str = FIRST_ACCOUNT) -> None:
    """Run the renewals that are due; nothing to do for a shop without plans."""
    state = state_for(task.app, account)
    if not state.registrations.plans:
        return
    try:
        state.subscriptions.run_due()
    except InboxUnavailableError as error:
        logger.warning("The inbox is away; the next run finds the renewals: %s", error)
