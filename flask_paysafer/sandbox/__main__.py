"""``python -m flask_paysafer.sandbox``: start a local PaySafer."""

from __future__ import annotations

import argparse
import errno
import json
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

from ..errors import ConfigurationError
from ..profile import SCHEMES
from .app import Sandbox
from .control import TEST_ACCOUNT
from .description import describe
from .envfile import write_settings
from .errors import ApiError
from .sender import SIGN_WITH


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a sandbox until SIGTERM or Ctrl-C; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.describe:
        sys.stdout.write(json.dumps(describe(), indent=1) + "\n")
        return 0
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        with _sandbox(options) as sandbox, sandbox.serve(options.port, options.host):
            settings = _settings(sandbox, options.webhook)
            if options.env_file:
                write_settings(options.env_file, settings)
            _announce(sandbox, settings, options.env_file)
            stopped.wait()
    except (ApiError, ConfigurationError, OSError) as error:
        sys.stderr.write(f"The sandbox can't start: {_reason(error, options.port)}\n")
        return 1
    return 0


def _reason(error: Exception, port: int) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return (
            f"port {port} is taken, perhaps by another sandbox. "
            "Choose one with --port; --port 0 takes a free one."
        )
    return str(error)


def _sandbox(options: argparse.Namespace) -> Sandbox:
    return Sandbox(
        db=options.db,
        clock_rate=options.clock_rate,
        strict=options.strict,
        idempotency=options.idempotency,
        allow_hosts=options.allow_host,
        allow_remote_webhooks=options.allow_remote_webhooks,
        sign_with=options.sign_with,
        signature_scheme=options.signature_scheme,
        profile=options.profile,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flask_paysafer.sandbox",
        description="A local PaySafer: the API under /v1, the dashboard at /.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=_port, default=4242, help="0 takes a free one (%(default)s)")
    parser.add_argument("--db", metavar="FILE", help="keep everything in this file")
    parser.add_argument(
        "--env-file", metavar="FILE", help="write the printed settings there, such as to .env"
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="answer under this host name too, not only under localhost (may be repeated)",
    )
    parser.add_argument("--strict", action="store_true", help="refuse what is only assumed")
    parser.add_argument(
        "--clock-rate", type=_rate, metavar="N", help="virtual seconds per second; 0 stands still"
    )
    parser.add_argument(
        "--idempotency",
        choices=("replay", "strict"),
        default="replay",
        help="strict: any reuse of a key is 409 (%(default)s)",
    )
    parser.add_argument(
        "--webhook", metavar="URL", help="deliver events there, and print the signing secret"
    )
    parser.add_argument(
        "--allow-remote-webhooks",
        action="store_true",
        help="deliver webhooks to other machines too",
    )
    parser.add_argument(
        "--sign-with",
        choices=SIGN_WITH,
        default="auto",
        help="the time that signatures carry (%(default)s: virtual, unless the shop refuses it)",
    )
    parser.add_argument(
        "--profile", metavar="FILE", help="play another PaySafer: an API profile in TOML"
    )
    parser.add_argument(
        "--signature-scheme",
        choices=SCHEMES,
        help="as PAYSAFER_SIGNATURE_SCHEME of the shop (the profile's, else timestamped)",
    )
    parser.add_argument(
        "--describe", action="store_true", help="print the API's OpenAPI description and end"
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("must be from 0 to 65535")
    return port


def _rate(text: str) -> float:
    rate = float(text)
    if not 0 <= rate <= 1_000_000:
        raise argparse.ArgumentTypeError("must be from 0 to 1000000")
    return rate


def _settings(sandbox: Sandbox, webhook: str | None) -> dict[str, str]:
    settings = {
        "PAYSAFER_API_BASE": f"{sandbox.url}/v1",
        "PAYSAFER_SECRET_KEY": f"sk_test_{TEST_ACCOUNT}",
        "PAYSAFER_PUBLISHABLE_KEY": f"pk_test_{TEST_ACCOUNT}",
    }
    if webhook:
        settings["PAYSAFER_WEBHOOK_SECRET"] = sandbox.register(webhook)["secret"]
    return settings


def _announce(sandbox: Sandbox, settings: dict[str, str], env_file: str | None) -> None:
    lines = "".join(f"  {name}={value}\n" for name, value in settings.items())
    where = f", written to {env_file}" if env_file else ""
    sys.stdout.write(
        f"PaySafer's sandbox answers at {sandbox.url} (dashboard: {sandbox.url}/)\n"
        f"Settings for your shop{where}:\n{lines}"
        "Stop it with Ctrl-C.\n"
    )
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
