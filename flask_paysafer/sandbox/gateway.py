"""The way of one API request: who calls, may they, what goes wrong, what is done.

In this order: key, strict mode, rate limit, faults before the work, JSON,
idempotency key (taken here), delay, the fields, the work (committed together
with the key's answer), and faults after the work.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Request, Response

from .answers import Call, finish
from .effects import SOCKET
from .engine import Engine
from .failures import ApiError
from .faults import API_KINDS, HEADER, Fault, asked_for
from .fields import Integer, Kind, Record
from .idempotency import check_key, fingerprint
from .ids import new_id
from .ratelimits import unknown_standing
from .reading import read_body, read_json
from .realms import Caller, identify
from .requestlog import Logged
from .routes import Route

_KEPT_FAILURES = {404, 422}
"""Errors that come of the work itself, so that a key keeps them like an answer."""
_KEYED = {"POST", "PATCH"}


class Gateway:
    """Answers the API's requests from an engine.

    :param public_url: Returns where the sandbox is served, if it is.
    """

    def __init__(self, engine: Engine, public_url: Callable[[], str | None]) -> None:
        self._engine = engine
        self._public_url = public_url

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
        return Call(request, route, ids, entry, unknown_standing(now))

    def _admit(self, call: Call, route: Route) -> tuple[str, int]:
        caller = identify(call.request.headers.get("Authorization"))
        call.entry.account, call.entry.mode = caller.realm
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
        with self._engine.ledger.changed:
            now = self._engine.clock.now()
            self._engine.authorisations.expire(now)
            call.standing = self._engine.limits.count(caller.realm, now)
        if call.standing.exceeded:
            self._limit(call)

    def _find_fault(self, call: Call) -> Fault | None:
        header = call.request.headers.get(HEADER)
        if header is not None:
            return asked_for(header)
        with self._engine.ledger.changed:
            return self._engine.faults.take(API_KINDS, call.request.method, call.request.path)

    def _work_once(self, call: Call, route: Route, caller: Caller, body: Any) -> tuple[str, int]:
        engine, realm, key = self._engine, caller.realm, call.entry.idempotency_key or ""
        same_call = fingerprint(call.request.method, call.request.path, body)
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
            return self._work(call, route, caller, body, keep)
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
        call: Call,
        route: Route,
        caller: Caller,
        body: Any,
        keep: Callable[[str, int], None] | None = None,
    ) -> tuple[str, int]:
        if call.fault and call.fault.kind == "delay":
            self._engine.closing.wait(call.fault.seconds)
        given = _arguments(call, route, body)
        with self._engine.ledger.transaction():
            account = self._engine.account(caller.realm, lambda path: self._page_url(call, path))
            result = route.operation(account, *given)
            text = json.dumps(result.body)
            if keep:
                keep(text, result.status)
        return text, result.status

    def _page_url(self, call: Call, path: str) -> str:
        served = None if SOCKET in call.request.environ else self._public_url()
        return (served or call.request.host_url).rstrip("/") + path

    def _limit(self, call: Call) -> None:
        raise ApiError(
            "rate_limit_exceeded",
            f"Too many requests: this account and mode may make {call.standing.limit} a minute.",
        )


def _fail_before_work(call: Call) -> None:
    kind = call.fault.kind if call.fault else None
    if kind == "error-500":
        raise ApiError("internal_error", "Something went wrong on our side (an injected fault).")
    if kind == "rate-limit":
        call.standing = call.standing._replace(remaining=0)
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
