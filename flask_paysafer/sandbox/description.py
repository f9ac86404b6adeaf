"""Describe the API in OpenAPI 3.1, from the tables that it is answered from.

``python -m flask_paysafer.sandbox --describe`` prints it; ``docs/openapi.json``
is that, and a test holds it there.
"""

from __future__ import annotations

import re
from typing import Any

from ..signing import HEADER as SIGNATURE_HEADER
from .account import API_VERSION
from .idempotency import KEY_PATTERN
from .objects import SCHEMAS, event_schema, ref
from .routes import ROUTES, Route
from .shapes import EVENT_TYPES

_FAILURES = {
    400: "Malformed JSON, or a field that is missing, wrong or unknown",
    401: "No key, a bad key, or a publishable key where it may not be used",
    402: "The card was declined",
    404: "There is no such object",
    409: "The idempotency key belongs to another call, or one that still runs",
    413: "The body is too large",
    422: "Not possible in the payment's present state",
    429: "Too many requests",
    500: "PaySafer failed",
}
_ACTIONS = ("capture", "cancel", "refund", "confirm")
_HEADERS = {
    "X-Request-Id": "Names this request",
    "X-RateLimit-Limit": "Requests allowed per minute",
    "X-RateLimit-Remaining": "Requests left in this minute",
    "X-RateLimit-Reset": "Unix seconds at which the count begins anew",
    "PaySafer-Sandbox": "Sandbox only: whether the route is documented or assumed",
}


def describe() -> dict[str, Any]:
    """Return the description."""
    paths: dict[str, Any] = {}
    for route in ROUTES:
        path = re.sub(r"<(\w+)>", r"{\1}", route.path.removeprefix("/v1"))
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PaySafer, as its sandbox answers",
            "version": API_VERSION,
            "description": "Calls marked `x-paysafer-sandbox: assumed` are documented nowhere by "
            "PaySafer; they are this sandbox's reading.",
        },
        "servers": [{"url": "/v1"}, {"url": "https://api.paysafer.me/v1"}],
        "paths": paths,
        "webhooks": {event_type: {"post": _webhook(event_type)} for event_type in EVENT_TYPES},
        "components": {
            "schemas": SCHEMAS,
            "responses": {f"Failure{status}": _failure(status) for status in _FAILURES},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}}
                for name, text in _HEADERS.items()
            },
            "securitySchemes": {
                "secretKey": _key("sk_test_… or sk_live_…: everything, from a server"),
                "publishableKey": _key("pk_test_… or pk_live_…: tokens and confirm, in browsers"),
            },
        },
    }


def _key(description: str) -> dict[str, str]:
    return {"type": "http", "scheme": "bearer", "description": description}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "x-paysafer-sandbox": route.tag,
        "security": _security(route),
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": bool(route.body.required),
            "content": {"application/json": {"schema": route.body.schema()}},
        }
    return operation


def _security(route: Route) -> list[dict[str, list[str]]]:
    names = ["secretKey", *(["publishableKey"] if route.takes_publishable_key else [])]
    return [{name: []} for name in names]


def _parameters(route: Route) -> list[dict[str, Any]]:
    ids = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"<(\w+)>", route.path)
    ]
    query = [
        {"name": name, "in": "query", "schema": kind.schema()}
        for name, kind in route.query.fields.items()
    ]
    return [*ids, *query, *([_idempotency_key()] if route.method in {"POST", "PATCH"} else [])]


def _idempotency_key() -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Makes a call that is sent twice happen once.",
        "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
    }


def _responses(route: Route) -> dict[str, Any]:
    return {
        "200": {
            "description": route.summary,
            "headers": _header_refs(),
            "content": {"application/json": {"schema": ref(route.answer)}},
        },
        **{
            str(status): {"$ref": f"#/components/responses/Failure{status}"}
            for status in _FAILURES
            if _can_fail_with(route, status)
        },
    }


def _can_fail_with(route: Route, status: int) -> bool:
    if status == 402:
        return route.name in {"createPayment", "confirmPayment"}
    if status == 404:
        return "<" in route.path
    if status in {409, 413}:
        return route.method in {"POST", "PATCH"}
    if status == 422:
        return route.path.endswith(_ACTIONS)
    return True


def _failure(status: int) -> dict[str, Any]:
    return {
        "description": _FAILURES[status],
        "headers": _header_refs(),
        "content": {"application/json": {"schema": ref("Error")}},
    }


def _header_refs() -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in _HEADERS}


def _webhook(event_type: str) -> dict[str, Any]:
    return {
        "operationId": f"on_{event_type.replace('.', '_')}",
        "summary": f"Sent to the endpoints that want {event_type}",
        "parameters": [
            {
                "name": SIGNATURE_HEADER,
                "in": "header",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event_schema(event_type)}},
        },
        "responses": {"2XX": {"description": "Received; anything else is sent again later."}},
    }
