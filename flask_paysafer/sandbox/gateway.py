"""The way of one API request: who calls, may they, what goes wrong, what is done.

In this order: key, strict mode, rate limit, faults before the work, JSON,
idempotency key (taken here), delay, the fields, the work (committed together
with the key's answer), and faults after the work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Request, Response, request

from .account import Result
from .effects import SOCKET, spoil
from .engine import Engine
from .failures import ApiError
from .faults import AFTER_WORK, API_KINDS, HEADER, Fault, asked_for
from .fields import Integer, Kind, Record
from .idempotency import check_key, fingerprint
from .ids import new_id
from .ratelimits import Standing, unknown_standing
from .reading import read_body, read_json
from .realms import Caller, identify
from .requestlog import Logged, safe_body, safe_headers
from .routes import Route

_KEPT_FAILURES = {404, 422}
"""Errors that come of the work itself, so that a key keeps them like an answer."""
_KEYED = {"POST", "PATCH"}
ASSUMED = "assumed"


@dataclass
class _Call:
    """One request on its way."""

    route: Route | None
    ids: dict[str, str]
    entry: Logged
    standing: Standing
    fault: Fault | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Gateway:
    """Answers the API's requests from an engine.

    :param public_url: Returns where the sandbox is served, if it is.
    """

    def __init__(self, engine: Engine, public_url: Callable[[], str | None]) -> None:
        self._engine = engine
        self._public_url = public_url

    def answer(self, route: Route, ids: dict[str, str]) -> Response:
        """Answer a call of the table."""
        call = self._begin(route, ids)
        try:
            text, status = self._admit(call, route)
        except ApiError as error:
            text, status = json.dumps(error.body()), error.status
        return self._finish(call, text, status)

    def refuse(self, error: ApiError) -> Response:
        """Answer what is no call of the table."""
        return self._finish(self._begin(None, {}), json.dumps(error.body()), error.status)

    def _begin(self, route: Route | None, ids: dict[str, str]) -> _Call:
        now = self._engine.clock.now()
        entry = Logged(
            new_id("req"), now, request.method, request.path, request.query_string.decode("latin-1")
        )
        entry.route = route.name if route else None
        return _Call(route, ids, entry, unknown_standing(now))

    def _admit(self, call: _Call, route: Route) -> tuple[str, int]:
        caller = identify(request.headers.get("Authorization"))
        call.entry.account, call.entry.mode = caller.realm
        self._check_permission(caller, route)
        self._count(call, caller)
        call.fault = self._find_fault(call)
        _fail_before_work(call)
        body = read_json(read_body(request))
        key = request.headers.get("Idempotency-Key") if route.method in _KEYED else None
        if key is None:
            return _text(self._work(call, route, caller, body))
        call.entry.idempotency_key = check_key(key)
        return self._work_once(call, route, caller, body)

    def _check_permission(self, caller: Caller, route: Route) -> None:
        if not caller.is_secret and not route.takes_publishable_key:
            raise ApiError(
                "secret_key_required",
                "A publishable key can only create tokens and confirm payments. Use the secret "
                "key (sk_…), from a server.",
            )
        if self._engine.settings.strict and not route.is_documented:
            raise ApiError(
                "route_assumed",
                f"{route.method} {request.path} is not documented by PaySafer, and the sandbox "
                "runs in strict mode. Start it without --strict to use what is assumed.",
            )

    def _count(self, call: _Call, caller: Caller) -> None:
        with self._engine.ledger.changed:
            now = self._engine.clock.now()
            self._engine.authorisations.expire(now)
            call.standing = self._engine.limits.count(caller.realm, now)
        if call.standing.exceeded:
            self._limit(call)

    def _find_fault(self, call: _Call) -> Fault | None:
        header = request.headers.get(HEADER)
        if header is not None:
            return asked_for(header)
        with self._engine.ledger.changed:
            return self._engine.faults.take(API_KINDS, request.method, request.path)

    def _work_once(self, call: _Call, route: Route, caller: Caller, body: Any) -> tuple[str, int]:
        engine, realm, key = self._engine, caller.realm, call.entry.idempotency_key or ""
        same_call = fingerprint(request.method, request.path, body)
        with engine.ledger.changed:
            taken = engine.clock.now()
            kept = engine.keys.take(
                realm, key, same_call, now=taken, reading=engine.settings.idempotency
            )
        if kept is not None:
            call.entry.replayed = True
            call.headers["Idempotent-Replayed"] = "true"
            return kept["body"], kept["status"]

        def keep(text: str, status: int) -> None:
            row = {"body": text, "status": status}
            engine.keys.keep(realm, key, same_call, row, taken=taken)

        try:
            return _text(self._work(call, route, caller, body, keep))
        except ApiError as error:
            if error.status in _KEPT_FAILURES:
                with engine.ledger.transaction():
                    keep(json.dumps(error.body()), error.status)
            raise
        finally:
            with engine.ledger.changed:
                engine.keys.release(realm, key)

    def _work(
        self,
        call: _Call,
        route: Route,
        caller: Caller,
        body: Any,
        keep: Callable[[str, int], None] | None = None,
    ) -> Result:
        if call.fault and call.fault.kind == "delay":
            self._engine.closing.wait(call.fault.seconds)
        given = _arguments(route, call.ids, body)
        with self._engine.ledger.transaction():
            account = self._engine.account(caller.realm, self._page_url)
            result = route.operation(account, *given)
            if keep:
                keep(*_text(result))
        return result

    def _page_url(self, path: str) -> str:
        served = None if SOCKET in request.environ else self._public_url()
        return (served or request.host_url).rstrip("/") + path

    def _limit(self, call: _Call) -> None:
        raise ApiError(
            "rate_limit_exceeded",
            f"Too many requests: this account and mode may make {call.standing.limit} a minute.",
        )

    def _finish(self, call: _Call, text: str, status: int) -> Response:
        answer = Response(text, status, mimetype="application/json")
        answer.headers.update(self._headers(call, status))
        self._log(call, text, answer)
        if call.fault and call.fault.kind in AFTER_WORK:
            return spoil(answer, call.fault, self._engine.closing)
        return answer

    def _headers(self, call: _Call, status: int) -> dict[str, str]:
        headers = {
            **call.headers,
            **call.standing.headers(),
            "X-Request-Id": call.entry.id,
            "PaySafer-Sandbox": call.route.tag if call.route else ASSUMED,
            "Cache-Control": "no-store",
        }
        if status == 429:
            headers["Retry-After"] = str(self._retry_after(call))
        if call.route and call.route.takes_publishable_key:
            headers.update(cross_origin_headers())
        return headers

    def _retry_after(self, call: _Call) -> int:
        """Return real seconds: whoever waits for it waits by a real clock."""
        if not call.standing.exceeded:
            return 1
        wait = self._engine.clock.real_seconds_until(call.standing.reset)
        return max(1, -int(-wait // 1)) if wait is not None else 60

    def _log(self, call: _Call, text: str, answer: Response) -> None:
        entry = call.entry
        entry.status = answer.status_code
        entry.fault = call.fault.kind if call.fault else None
        entry.request = {
            "headers": safe_headers(dict(request.headers)),
            "body": safe_body(_body_so_far(request)),
        }
        entry.response = {"headers": dict(answer.headers), "body": text}
        self._engine.log.add(entry)


def _body_so_far(received: Request) -> bytes:
    try:
        return read_body(received)
    except ApiError:
        return b""


def _fail_before_work(call: _Call) -> None:
    kind = call.fault.kind if call.fault else None
    if kind == "error-500":
        raise ApiError("internal_error", "Something went wrong on our side (an injected fault).")
    if kind == "rate-limit":
        call.standing = call.standing._replace(remaining=0)
        raise ApiError("rate_limit_exceeded", "Too many requests (an injected fault).")


def _arguments(route: Route, ids: dict[str, str], body: Any) -> list[Any]:
    query = _checked_query(route.query) if request.query_string else {}
    given: list[Any] = list(ids.values())
    if route.body is not None:
        given.append(route.body.check(body))
    elif body != {}:
        raise ApiError("parameter_unknown", f"{route.method} takes no body here.", param="body")
    if route.query.fields:
        given.append(query)
    return given


def _checked_query(expected: Record) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, values in request.args.lists():
        if len(values) > 1:
            raise ApiError("parameter_invalid", f"{name[:200]} stands twice.", param=name[:200])
        given[name] = _number_or_text(values[0], expected.fields.get(name))
    return expected.check(given)


def _number_or_text(value: str, kind: Kind | None) -> int | str:
    """Return a number as such: queries are text, and only the table knows what they mean."""
    is_number = value.isascii() and value.isdigit() and len(value) < 16
    return int(value) if is_number and isinstance(kind, Integer) else value


def _text(result: Result) -> tuple[str, int]:
    return json.dumps(result.body), result.status


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
