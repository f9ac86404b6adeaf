"""Wait for a condition instead of a while: quick where it is quick, clear where it never comes."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def wait_for(found: Callable[[], T], what: str, *, seconds: float = 15.0) -> T:
    """Return the first true answer of ``found``.

    :raises AssertionError: naming ``what``, if none came in time.
    """
    give_up = time.monotonic() + seconds
    pause = Event()
    while not (answer := found()):
        if time.monotonic() > give_up:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        pause.wait(0.02)
    return answer
