"""Finish a call: its headers, its place in the log, and what a fault does to it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from flask import Request, Response

from .effects import spoil
from .engine import Engine
from .failures import ApiError
from .faults import AFTER_WORK, HEADER, Fault
from .ratelimits import WINDOW_SECONDS, Standing
from .reading import read_body
from .requestlog import Logged
from .routes import Route

ASSUMED = "assumed"
"""What the header says where there is no route."""


@dataclass
class Call:
    """One request on its way."""

    request: Request
    route: Route | None
    ids: dict[str, str]
    entry: Logged
    standing: Standing
    fault: Fault | None = None
    headers: dict[str, str] = field(default_factory=dict)


def finish(engine: Engine, call: Call, text: str, status: int) -> Response:
    """Return the answer as it is sent."""
    headers = _headers(engine, call, status)
    answer = Response(text, status, list(headers.items()), "application/json")
    _log(engine, call, text, status, headers)
    if call.fault and call.fault.kind in AFTER_WORK:
        return spoil(answer, call.fault, engine.closing)
    return answer


def _headers(engine: Engine, call: Call, status: int) -> dict[str, str]:
    headers = {
        **call.headers,
        **call.standing.headers(),
        "X-Request-Id": call.entry.id,
        "PaySafer-Sandbox": call.route.tag if call.route else ASSUMED,
        "Cache-Control": "no-store",
    }
    if status == 429:
        headers["Retry-After"] = str(_retry_after(engine, call))
    if call.route and call.route.takes_publishable_key:
        headers.update(cross_origin_headers())
    return headers


def _retry_after(engine: Engine, call: Call) -> int:
    """Return real seconds: whoever waits for it waits by a real clock."""
    if not call.standing.exceeded:
        return 1
    wait = engine.clock.real_seconds_until(call.standing.reset)
    return max(1, math.ceil(wait)) if wait is not None else WINDOW_SECONDS


def _log(engine: Engine, call: Call, text: str, status: int, headers: dict[str, str]) -> None:
    entry = call.entry
    entry.status = status
    entry.fault = call.fault.kind if call.fault else None
    entry.keep(call.request.environ, _body_so_far(call.request), headers, text)
    engine.log.add(entry)


def _body_so_far(received: Request) -> bytes:
    try:
        return read_body(received)
    except ApiError:
        return b""


def cross_origin_headers() -> dict[str, str]:
    """Return what lets a shop's page read the answer."""
    return {
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "X-Request-Id, Retry-After, X-RateLimit-Limit, "
        "X-RateLimit-Remaining, X-RateLimit-Reset, Idempotent-Replayed, PaySafer-Sandbox",
    }


def preflight_headers() -> dict[str, str]:
    """Return what lets a shop's page make the call."""
    return {
        **cross_origin_headers(),
        "Access-Control-Allow-Methods": "POST",
        "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, "
        f"PaySafer-Version, {HEADER}",
        "Access-Control-Max-Age": "600",
    }
