"""What the API answers with, as JSON Schema: the objects, lists and errors."""

from __future__ import annotations

from typing import Any

from .failures import STATUS_AND_TYPE
from .shapes import EVENT_TYPES

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
        "card": _record(
            {
                "brand": _TEXT,
                "last4": {"type": "string", "pattern": "^[0-9]{4}$"},
                "exp_month": {"type": "integer"},
                "exp_year": {"type": "integer"},
            }
        ),
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
