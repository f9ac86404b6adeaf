"""Take an exam's events out of the inbox again, so that nobody counts them."""

from __future__ import annotations

from ...errors import InboxUnavailableError
from ...inbox.store import aside_id
from ...state import AppState
from .examiner import Examiner


def clear(state: AppState, examiner: Examiner) -> int:
    """Return how many of the exam's events were in the inbox that the settings lead to.

    It need not be the shop's: then there were none.
    """
    event_ids = {*examiner.event_ids, *map(aside_id, examiner.bodies)}
    try:
        return state.inbox.upkeep.remove(sorted(event_ids))
    except InboxUnavailableError:
        return 0
