"""The door and a real inbox behind a real server.

``python -m tests.webhooks.served_app FD`` serves it with waitress.
"""

from __future__ import annotations

import os
import socket
import sys

from flask import Flask

from flask_paysafer.inbox import open_inbox

from .door_app import Door

LIMIT = 100_000


def create_app() -> Flask:
    """Return the app; its inbox is at ``PAYSAFER_INBOX_URL``."""
    door = Door(WEBHOOK_MAX_BYTES=LIMIT, INBOX_URL=os.environ["PAYSAFER_INBOX_URL"])
    inbox = open_inbox(door.config, door.app)
    door.inbox = inbox
    return door.app


if __name__ == "__main__":
    import waitress

    waitress.serve(create_app(), sockets=[socket.socket(fileno=int(sys.argv[1]))], threads=2)
