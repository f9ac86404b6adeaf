"""A worker process: serves the shop until it is killed. ``python -m tests.checkout.worker``."""

from __future__ import annotations

import sys
from pathlib import Path

import httpx
from werkzeug.serving import make_server

from flask_paysafer.sandbox import Sandbox
from tests.checkout.shop import Shop


def main(paysafer_url: str, folder: str) -> None:
    """Serve on a free port, and print it."""
    settings = {"PAYSAFER_API_BASE": f"{paysafer_url}/v1"}
    shop = Shop(Sandbox(), Path(folder), transport=httpx.HTTPTransport(), **settings)
    server = make_server("127.0.0.1", 0, shop.app)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
