"""What became of an event that was dispatched."""

from __future__ import annotations

from typing import Literal

DispatchResult = Literal["done", "busy", "failed", "queued", "unwanted", "stale"]
"""``done``: every handler is done, or the one that was asked for. ``busy``: another worker
has it. ``failed``: a handler failed, the others are done. ``queued``: stored, and to be
handled later. ``unwanted``: the handler that was asked for is not for such an event.
``stale``: it has handled a newer event of the same object, and leaves out older ones."""
