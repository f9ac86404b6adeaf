"""Tell observers of a signal, whatever they make of it."""

from __future__ import annotations

import logging
from typing import Any

from blinker import NamedSignal

logger = logging.getLogger(__name__)


def notify(signal: NamedSignal, sender: Any, **values: Any) -> None:
    """Call every receiver of ``signal``, one by one.

    What one raises is logged and changes nothing: observers must not be able to turn
    the answer to a delivery into another.
    """
    for receiver in list(signal.receivers_for(sender)):
        try:
            receiver(sender, **values)
        except Exception:
            logger.exception(
                "A receiver of the signal %r raised; this changes nothing.", signal.name
            )
