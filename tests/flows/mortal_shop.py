"""The example shop as a process that can be told to die when a webhook arrives.

``python -m tests.flows.mortal_shop FOLDER PORT WHEN``, where WHEN is ``never``,
``before`` (the delivery has arrived, nothing is stored) or ``within`` (the
handler has written, nothing is committed).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from flask import request
from sqlalchemy import event
from sqlalchemy.orm import Session

from example_app.models import Order
from example_app.serving import open_shop


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def die_fulfilling(session: Session) -> None:
    """Die with the handler's writes sent to the database, and not committed."""
    if any(isinstance(changed, Order) and changed.status == "paid" for changed in session.dirty):
        session.flush()
        die()


def main(folder: str, port: str, when: str) -> None:
    with open_shop(Path(folder), int(port), None) as shop:
        if when == "before":
            shop.app.before_request(lambda: die() if request.path.endswith("/webhook") else None)
        if when == "within":
            event.listen(Session, "before_commit", die_fulfilling)
        print(shop.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
