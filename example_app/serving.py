"""Serve the shop on this machine, with a local PaySafer or without."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from werkzeug.serving import make_server

from .local import local_paysafer, settings_for
from .shop import Shop, create_app

HOST = "127.0.0.1"


@dataclass(frozen=True)
class OpenShop:
    """A shop that answers."""

    app: Shop
    url: str
    """The shop's address, with a slash at its end."""
    paysafer: str | None
    """The local PaySafer's address; None where the shop talks to PaySafer itself."""


@contextmanager
def open_shop(folder: Path, port: int, paysafer_port: int | None) -> Iterator[OpenShop]:
    """Serve the shop that keeps its books in ``folder``; port 0 is any free one.

    :param paysafer_port: None has it talk to PaySafer itself, with the environment's keys.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as running:
        door = running.enter_context(socket.create_server((HOST, port)))
        url = f"http://{HOST}:{door.getsockname()[1]}"
        paysafer, settings = None, {}
        if paysafer_port is not None:
            paysafer = running.enter_context(local_paysafer(folder, paysafer_port))
            settings = settings_for(url, paysafer_url=paysafer, folder=folder)
        app = create_app(settings, instance_path=str(folder.absolute()))
        running.enter_context(_answering(app, door))
        yield OpenShop(app=app, url=f"{url}/", paysafer=paysafer)


@contextmanager
def _answering(app: Shop, door: socket.socket) -> Iterator[None]:
    server = make_server(HOST, 0, app, threaded=True, fd=door.fileno())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="shop")
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
