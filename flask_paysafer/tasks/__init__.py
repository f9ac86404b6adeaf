"""Handlers on the merchant's own Celery, in ``app.extensions["celery"]``.

The database is the queue: a message is a hint that there is work, and carries the
row's key alone. Losing one costs time until the next sweep and nothing else; a
message too many finds nothing to do.
"""

from .dispatcher import CeleryDispatcher
from .publishing import Publisher
from .scheduling import attach
from .shared import handle, sweep

__all__ = ["CeleryDispatcher", "Publisher", "attach", "handle", "sweep"]
