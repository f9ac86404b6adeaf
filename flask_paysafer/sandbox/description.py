"""Describe the API in OpenAPI 3.1, from the tables that requests are checked with.

``python -m flask_paysafer.sandbox --describe`` prints it; ``docs/openapi.json`` is that, and
a test keeps it up to date.
"""

from __future__ import annotations

import re
from typing import Any

from ..profile import ApiProfile
from .errors import STATUS_AND_TYPE
from .fields import EVENT_TYPES
from .idempotency import KEY_PATTERN
from .resources import API_VERSION
from .routes import ROUTES, Route

Schema = dict[str, Any]

_STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    "failed",
)
_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_AMOUNT: Schema = {"type": "integer", "minimum": 0, "description": "In the smallest unit."}
_MOMENT: Schema = {"type": "integer", "description": "Unix seconds."}
_CURRENCY: Schema = {"type": "string", "pattern": "^[a-z]{3}$"}
_METADATA: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_CREATED: Schema = {"created": _MOMENT, "livemode": {"type": "boolean"}}


def ref(name: str) -> Schema:
    """Return a reference to a schema of the description."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(kind: str, prefix: str, fields: Schema, optional: Schema | None = None) -> Schema:
    required = {
        "id": {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]+$"},
        "object": {"const": kind},
        **fields,
    }
    return _record(required, optional)


def _record(required: Schema, optional: Schema | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
    }


def _list_of(name: str) -> Schema:
    return _record(
        {
            "object": {"const": "list"},
            "data": {"type": "array", "items": ref(name)},
            "has_more": {"type": "boolean"},
        }
    )


_NEXT_ACTION = _record(
    {
        "type": {"const": "redirect_to_url"},
        "redirect_to_url": _record({"url": _TEXT, "return_url": _MAYBE_TEXT}),
    }
)

_CARD = _record(
    {
        "brand": _TEXT,
        "last4": {"type": "string", "pattern": "^[0-9]{4}$"},
        "exp_month": {"type": "integer"},
        "exp_year": {"type": "integer"},
    }
)
_PAYMENT = _object(
    "payment",
    "pay",
    {
        "amount": {**_AMOUNT, "minimum": 1},
        "amount_received": _AMOUNT,
        "amount_refunded": _AMOUNT,
        "currency": _CURRENCY,
        "status": {"enum": list(_STATUSES)},
        "description": _MAYBE_TEXT,
        "payment_method": _MAYBE_TEXT,
        "payment_method_details": {"oneOf": [_record({"card": _CARD}), {"type": "null"}]},
        "customer": _MAYBE_TEXT,
        "metadata": _METADATA,
        "receipt_email": _MAYBE_TEXT,
        **_CREATED,
    },
    {"failure_reason": _TEXT, "next_action": _NEXT_ACTION},
)
_CUSTOMER = _object(
    "customer",
    "cus",
    {
        "email": _MAYBE_TEXT,
        "name": _MAYBE_TEXT,
        "phone": _MAYBE_TEXT,
        "metadata": _METADATA,
        **_CREATED,
    },
)
_ENDPOINT_FIELDS: Schema = {
    "url": _TEXT,
    "enabled_events": {"type": "array", "items": {"enum": ["*", *EVENT_TYPES]}},
    "status": {"enum": ["enabled", "disabled"]},
    **_CREATED,
}
_TOKEN = _object(
    "token",
    "tok",
    {
        "card": _CARD,
        "used": {"type": "boolean"},
        **_CREATED,
    },
)
_DISPUTE = _object(
    "dispute",
    "dp",
    {
        "payment": _TEXT,
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "reason": _TEXT,
        "status": {"enum": ["open", "closed"]},
        "outcome": {"enum": ["won", "lost", None]},
        **_CREATED,
    },
)
_PAYOUT = _object(
    "payout",
    "po",
    {
        "amount": _AMOUNT,
        "currency": _CURRENCY,
        "status": {"enum": ["paid", "failed"]},
        "failure_reason": _MAYBE_TEXT,
        **_CREATED,
    },
)
_ERROR = _record(
    {
        "error": _record(
            {
                "type": {
                    "enum": sorted({kind for _, kind in STATUS_AND_TYPE.values()} | {"card_error"})
                },
                "code": _TEXT,
                "message": _TEXT,
                "doc_url": _TEXT,
            },
            {"param": _TEXT, "decline_code": _TEXT, "payment": ref("Payment")},
        )
    }
)

SCHEMAS: dict[str, Schema] = {
    "Payment": _PAYMENT,
    "PaymentList": _list_of("Payment"),
    "Customer": _CUSTOMER,
    "CustomerList": _list_of("Customer"),
    "WebhookEndpoint": _object("webhook_endpoint", "we", _ENDPOINT_FIELDS),
    "NewWebhookEndpoint": _object("webhook_endpoint", "we", {**_ENDPOINT_FIELDS, "secret": _TEXT}),
    "WebhookEndpointList": _list_of("WebhookEndpoint"),
    "Token": _TOKEN,
    "Dispute": _DISPUTE,
    "Payout": _PAYOUT,
    "Deleted": _record({"id": _TEXT, "object": _TEXT, "deleted": {"const": True}}),
    "Error": _ERROR,
}
"""The schemas of the description, by name."""


def event_schema(event_type: str) -> Schema:
    """Return what a webhook of this type holds."""
    kind = event_type.partition(".")[0].title()
    return _object(
        "event",
        "evt",
        {
            "type": {"const": event_type},
            "api_version": _TEXT,
            "created": _MOMENT,
            "data": ref(kind),
        },
    )


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
_TAGS = {
    "Payments": "Charges to customers' payment methods",
    "Customers": "People who pay, and whose cards can be saved",
    "Webhook endpoints": "Addresses that events are delivered to",
    "Tokens": "Cards that were typed into a form in a browser",
    "Events": "What is delivered to webhook endpoints",
}
_SOURCES = {
    "documented": "PaySafer documents this call.",
    "assumed": "PaySafer does not document this call; it is what its pages imply.",
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
            "title": "PaySafer",
            "version": API_VERSION,
            "description": "The API as flask-paysafer's sandbox answers it. Calls marked "
            "`x-paysafer-sandbox: assumed` are not in PaySafer's documentation.",
            "contact": {"name": "flask-paysafer", "url": "https://flask-paysafer.readthedocs.io/"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
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
        "description": f"{route.summary}. {_SOURCES[route.tag]}",
        "tags": [_tag(route)],
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


def _tag(route: Route) -> str:
    return route.path.split("/")[2].replace("-", " ").capitalize()


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
        "description": "Signed; anything but a 2xx answer is a failed attempt and is retried.",
        "tags": ["Events"],
        "parameters": [
            {
                "name": ApiProfile().headers.signature,
                "in": "header",
                "required": True,
                "schema": {"type": "string"},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": event_schema(event_type)}},
        },
        "responses": {"2XX": {"description": "Received; any other answer is retried later."}},
    }
