"""What became of an event that was dispatched."""

from __future__ import annotations

from typing import Literal

DispatchResult = Literal["done", "busy", "failed", "queued"]
"""``done``: every handler is done. ``busy``: another worker has it. ``failed``: a handler
failed, the others are done. ``queued``: stored, and to be handled later."""
