"""Write requests and deliveries as commands for curl."""

from __future__ import annotations

import shlex
import time
from typing import Any

from ..engine import Engine
from ..faults import HEADER
from ..ledger import Row
from .cards import unmasked


def request_command(entry: dict[str, Any], base: str) -> str:
    """Return the command that makes a logged request again; ``base`` is the sandbox's address."""
    query = f"?{entry['query']}" if entry["query"] else ""
    headers = {}
    if entry["account"]:
        headers["Authorization"] = f"Bearer {key_of(entry)}"
    if entry["idempotency_key"]:
        headers["Idempotency-Key"] = entry["idempotency_key"]
    if entry["fault"]:
        headers[HEADER] = entry["fault"]
    body = unmasked(entry)
    if body:
        headers["Content-Type"] = "application/json"
    return _command(entry["method"], base + entry["path"] + query, headers, body)


def key_of(entry: dict[str, Any]) -> str:
    """Return the key that the request may have had; browsers use the publishable one."""
    is_browser = entry["path"] == "/v1/tokens" or "secret_key_required" in entry["response"]["body"]
    return f"{'pk' if is_browser else 'sk'}_{entry['mode']}_{entry['account']}"


def delivery_command(engine: Engine, event: Row, endpoint: Row) -> str:
    """Return the command that delivers an event, signed at this moment by the real clock."""
    parcel = engine.postman.parcel(event, endpoint, time.time())
    return "# Signed just now: a shop takes it for five minutes.\n" + _command(
        "POST", parcel.url, parcel.headers, parcel.body.decode()
    )


def _command(method: str, url: str, headers: dict[str, str], body: str) -> str:
    parts = [f"curl -X {shlex.quote(method)} {shlex.quote(url)}"]
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if body:
        parts.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(parts) + "\n"
