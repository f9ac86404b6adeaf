"""How one API request is handled, from its key to its answer.

In this order: key, strict mode, rate limit, faults before the work, JSON, idempotency key
(taken here), delay, the fields, the work (committed together with the key's answer), faults
after the work.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Request, Response
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from .engine import WINDOW_SECONDS, Engine, Quota, full_quota
from .errors import ApiError
from .faults import AFTER_WORK, API_KINDS, HEADER, SOCKET, Fault, asked_for, inject_fault
from .fields import Integer, Kind, Record
from .idempotency import check_key, fingerprint
from .requestlog import Logged
from .routes import Route
from .store import Caller, identify, new_id

MAX_BODY_BYTES = 1024 * 1024
"""The largest body that is read at all."""


def read_body(request: Request) -> bytes:
    """Return the request's body.

    :raises ApiError: 413 for one that is too large, 400 for one that breaks off.
    """
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise ApiError(
            "body_too_large", f"The body may be at most {MAX_BODY_BYTES} bytes long."
        ) from None
    except (HTTPException, OSError):
        raise ApiError("json_invalid", "The request's body broke off.") from None


def read_json(body: bytes) -> Any:
    """Return what the body says; no body says ``{}``.

    :raises ApiError: 400 for what is not JSON, or JSON that readers disagree about.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(
            body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_without_repetition
        )
    except (ValueError, RecursionError):
        raise ApiError(
            "json_invalid",
            "The body is not valid JSON: UTF-8, no NaN or Infinity, no key twice.",
        ) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


ASSUMED = "assumed"
"""The value of ``PaySafer-Sandbox`` where there is no route."""


@dataclass
class Call:
    """One request on its way."""

    request: Request
    route: Route | None
    ids: dict[str, str]
    entry: Logged
    quota: Quota
    fault: Fault | None = None
    headers: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)


def finish(engine: Engine, call: Call, text: str, status: int) -> Response:
    """Return the answer as it is sent."""
    headers = _headers(engine, call, status)
    answer = Response(text, status, list(headers.items()), "application/json")
    _log(engine, call, text, status, headers)
    if call.fault and call.fault.kind in AFTER_WORK:
        return inject_fault(answer, call.fault, engine.closing)
    return answer


def _headers(engine: Engine, call: Call, status: int) -> dict[str, str]:
    headers = {
        **call.headers,
        **call.quota.headers(),
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
    if not call.quota.exceeded:
        return 1
    wait = engine.clock.real_seconds_until(call.quota.reset)
    return max(1, math.ceil(wait)) if wait is not None else WINDOW_SECONDS


def _log(engine: Engine, call: Call, text: str, status: int, headers: dict[str, str]) -> None:
    entry = call.entry
    entry.status = status
    entry.error = json.loads(text)["error"]["code"] if status >= 400 else None
    entry.milliseconds = round(1000 * (time.monotonic() - call.began))
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


_KEPT_FAILURES = {404, 422}
"""Errors that come of the work itself, so that a key keeps them like an answer."""
_KEYED = {"POST", "PATCH"}


class Pipeline:
    """Answers the API's requests from an engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def answer(self, request: Request, route: Route, ids: dict[str, str]) -> Response:
        """Answer a call of the table."""
        call = self._begin(request, route, ids)
        try:
            text, status = self._admit(call, route)
        except ApiError as error:
            text, status = json.dumps(error.body()), error.status
        return finish(self._engine, call, text, status)

    def refuse(self, request: Request, error: ApiError) -> Response:
        """Answer what is no call of the table."""
        call = self._begin(request, None, {})
        return finish(self._engine, call, json.dumps(error.body()), error.status)

    def _begin(self, request: Request, route: Route | None, ids: dict[str, str]) -> Call:
        now = self._engine.clock.now()
        entry = Logged(
            new_id("req"), now, request.method, request.path, request.query_string.decode("latin-1")
        )
        entry.route = route.name if route else None
        return Call(request, route, ids, entry, full_quota(now))

    def _admit(self, call: Call, route: Route) -> tuple[str, int]:
        caller = identify(call.request.headers.get("Authorization"))
        call.entry.account, call.entry.mode = caller.tenant
        self._check_permission(call, caller, route)
        self._count(call, caller)
        call.fault = self._find_fault(call)
        _fail_before_work(call)
        body = read_json(read_body(call.request))
        key = call.request.headers.get("Idempotency-Key") if route.method in _KEYED else None
        if key is None:
            return self._work(call, route, caller, body)
        call.entry.idempotency_key = check_key(key)
        return self._work_once(call, route, caller, body)

    def _check_permission(self, call: Call, caller: Caller, route: Route) -> None:
        if not caller.is_secret and not route.takes_publishable_key:
            raise ApiError(
                "secret_key_required",
                "A publishable key can only create tokens and confirm payments. Use the secret "
                "key (sk_…), from a server.",
            )
        if self._engine.settings.strict and not route.is_documented:
            raise ApiError(
                "route_assumed",
                f"{route.method} {call.request.path} is not documented by PaySafer, and the "
                "sandbox runs in strict mode. Start it without --strict to use what is assumed.",
            )

    def _count(self, call: Call, caller: Caller) -> None:
        with self._engine.store.changed:
            now = self._engine.clock.now()
            self._engine.authorisations.expire(now)
            call.quota = self._engine.limits.count(caller.tenant, now)
        if call.quota.exceeded:
            self._limit(call)

    def _find_fault(self, call: Call) -> Fault | None:
        header = call.request.headers.get(HEADER)
        if header is not None:
            return asked_for(header)
        with self._engine.store.changed:
            return self._engine.faults.take(API_KINDS, call.request.method, call.request.path)

    def _work_once(self, call: Call, route: Route, caller: Caller, body: Any) -> tuple[str, int]:
        engine, tenant, key = self._engine, caller.tenant, call.entry.idempotency_key or ""
        same_call = fingerprint(call.request.method, call.request.path, body)
        with engine.store.changed:
            taken = engine.clock.now()
            kept = engine.keys.take(
                tenant, key, same_call, now=taken, reading=engine.settings.idempotency
            )
        if kept is not None:
            call.entry.replayed = True
            call.headers["Idempotent-Replayed"] = "true"
            return kept["body"], kept["status"]

        def keep(text: str, status: int) -> None:
            row = {"body": text, "status": status}
            engine.keys.keep(tenant, key, same_call, row, taken=taken)

        try:
            return self._work(call, route, caller, body, keep)
        except ApiError as error:
            if error.status in _KEPT_FAILURES:
                with engine.store.transaction():
                    keep(json.dumps(error.body()), error.status)
            raise
        finally:
            with engine.store.changed:
                engine.keys.release(tenant, key)

    def _work(
        self,
        call: Call,
        route: Route,
        caller: Caller,
        body: Any,
        keep: Callable[[str, int], None] | None = None,
    ) -> tuple[str, int]:
        if call.fault and call.fault.kind == "delay":
            self._engine.closing.wait(call.fault.seconds)
        given = _arguments(call, route, body)
        with self._engine.store.transaction():
            account = self._engine.account(caller.tenant, lambda path: self._page_url(call, path))
            result = route.operation(account, *given)
            text = json.dumps(result.body)
            if keep:
                keep(text, result.status)
        return text, result.status

    def _page_url(self, call: Call, path: str) -> str:
        served = None if SOCKET in call.request.environ else self._engine.public_url
        return (served or call.request.host_url).rstrip("/") + path

    def _limit(self, call: Call) -> None:
        raise ApiError(
            "rate_limit_exceeded",
            f"Too many requests: this account and mode may make {call.quota.limit} a minute.",
        )


def _fail_before_work(call: Call) -> None:
    kind = call.fault.kind if call.fault else None
    if kind == "error-500":
        raise ApiError("internal_error", "Something went wrong on our side (an injected fault).")
    if kind == "rate-limit":
        call.quota = call.quota._replace(remaining=0)
        raise ApiError("rate_limit_exceeded", "Too many requests (an injected fault).")


def _arguments(call: Call, route: Route, body: Any) -> list[Any]:
    query = _checked_query(call, route.query) if call.request.query_string else {}
    given: list[Any] = list(call.ids.values())
    if route.body is not None:
        given.append(route.body.check(body))
    elif body != {}:
        raise ApiError("parameter_unknown", f"{route.method} takes no body here.", param="body")
    if route.query.fields:
        given.append(query)
    return given


def _checked_query(call: Call, expected: Record) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, values in call.request.args.lists():
        if len(values) > 1:
            raise ApiError("parameter_invalid", f"{name[:200]} stands twice.", param=name[:200])
        given[name] = _number_or_text(values[0], expected.fields.get(name))
    return expected.check(given)


def _number_or_text(value: str, kind: Kind | None) -> int | str:
    """Return a number as such: queries are text, and only the table knows what they mean."""
    is_number = value.isascii() and value.isdigit() and len(value) < 16
    return int(value) if is_number and isinstance(kind, Integer) else value
