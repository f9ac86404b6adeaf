"""Start the shop, and a local PaySafer beside it: ``python -m example_app``.

With PaySafer's keys in the environment no local PaySafer is started, and the
same shop talks to PaySafer itself. ``--check`` never does: it buys.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from flask_paysafer import errors

from .check import check
from .payments import paysafer
from .serving import open_shop

BOOKS = Path("instance")

WELCOME = """\
 * Dallah Roasters is open:  {shop}
 * Staff passcode:           {passcode}  ({shop}staff/)"""

LOCAL_WELCOME = """\
 * Local PaySafer:           {paysafer}
 * Cards to try, with any later month and any three digits:
     4242 4242 4242 4242   is charged
     4000 0000 0000 0002   is declined
     4000 0000 0000 9995   has too little money on it
     4000 0027 6000 3184   asks the cardholder first"""


PAYSAFER_WELCOME = """\
 * It talks to PaySafer at {api}, with your keys.
 * PaySafer has to reach its webhook: {shop}paysafer/webhook"""

KEY_VARIABLES = ("PAYSAFER_SECRET_KEY", "FLASK_PAYSAFER_SECRET_KEY")


def main(arguments: list[str] | None = None) -> int:
    """Run the shop until Ctrl-C, or buy in it without a browser with ``--check``."""
    options = _parse(arguments)
    try:
        return run_check() if options.check else serve(options)
    except errors.ConfigurationError as error:
        print(f"Can't start: {error}")
        return 1
    except OSError as error:
        print(f"Can't start: {error}. Choose other ports with --port and --paysafer-port.")
        return 1


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m example_app", description=__doc__)
    parser.add_argument("--port", type=int, default=5000, help="the shop's port (5000)")
    parser.add_argument("--paysafer-port", type=int, default=4242, help="local PaySafer's (4242)")
    parser.add_argument("--books", type=Path, default=BOOKS, help="where orders are kept")
    parser.add_argument("--check", action="store_true", help="buy two things, say how it went, end")
    return parser.parse_args(arguments)


def serve(options: argparse.Namespace) -> int:
    """Keep the shop open until Ctrl-C or SIGTERM."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    has_keys = any(os.environ.get(name) for name in KEY_VARIABLES)
    paysafer_port = None if has_keys else options.paysafer_port
    with open_shop(options.books, options.port, paysafer_port) as shop:
        print(WELCOME.format(shop=shop.url, passcode=shop.app.config["STAFF_PASSCODE"]))
        if shop.paysafer:
            print(LOCAL_WELCOME.format(paysafer=shop.paysafer))
        else:
            print(PAYSAFER_WELCOME.format(api=paysafer.config.api_base, shop=shop.url))
        print(" * Ctrl-C closes the shop.", flush=True)
        stop.wait()
    print("\nClosed.")
    return 0


def run_check() -> int:
    """Buy in a shop with empty books and a local PaySafer, and tell how it went."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder, open_shop(Path(folder), 0, 0) as shop:
        return check(shop.url)


if __name__ == "__main__":
    sys.exit(main())
