"""The tasks themselves, on whichever Celery the merchant has."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakKeyDictionary

from celery import shared_task

from ..inbox.errors import InboxUnavailableError
from ..state import AppState
from .publishing import FIRST_ACCOUNT, HANDLE, SWEEP, Publisher
from .scheduling import state_for
from .working import LARGEST_BATCH, Worker

logger = logging.getLogger(__name__)

_MOST_HINTS = 20
_workers: WeakKeyDictionary[AppState, Worker] = WeakKeyDictionary()

_RELIABLE: dict[str, Any] = {
    "acks_late": True,
    "reject_on_worker_lost": True,
    "ignore_result": True,
    "bind": True,
}


@shared_task(name=HANDLE, **_RELIABLE)  # type: ignore[untyped-decorator]  # as Celery is
def handle(task: Any, key: int, account: str = FIRST_ACCOUNT) -> None:
    """Handle what is due, the event with this row among it."""
    state = state_for(task.app, account)
    worker = _workers.get(state) or _workers.setdefault(state, Worker(state.backlog))
    try:
        worker.work(key)
    except InboxUnavailableError as error:
        logger.warning("The inbox is away; the sweep will find what is due: %s", error)


@shared_task(name=SWEEP, ignore_result=True, bind=True)  # type: ignore[untyped-decorator]
def sweep(task: Any, account: str = FIRST_ACCOUNT) -> None:
    """Find what the broker lost, what a dead worker left and what is to be tried again.

    Sends a few messages, not one per event: each makes a worker take all it can.
    """
    state = state_for(task.app, account)
    publisher = Publisher(lambda: task.app, account=account)
    try:
        due = state.inbox.batches.due_keys(LARGEST_BATCH * _MOST_HINTS)
    except InboxUnavailableError as error:
        logger.warning("The inbox is away and can't be swept: %s", error)
        return
    for key in due[::LARGEST_BATCH]:
        publisher.publish(key)
