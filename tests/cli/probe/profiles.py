"""Ten accounts that differ from what is assumed: each section alone, and three mixed."""

from __future__ import annotations

from typing import Any

PROFILES: dict[str, dict[str, Any]] = {
    "paths": {
        "paths": {
            "tokens": "/card-tokens",
            "confirm": "/payments/{id}/submit",
            "webhook_endpoints": "/webhooks",
        }
    },
    "lists": {
        "lists": {
            "items": "results",
            "has_more": "",
            "next": "links.next",
            "limit": "page_size",
            "after": "cursor",
            "created_after": "created_after",
        }
    },
    "statuses": {
        "statuses": {
            "paid": "succeeded",
            "declined": "failed",
            "authorised": "requires_capture",
            "voided": "canceled",
            "pending_bank": "requires_action",
        }
    },
    "fields": {
        "fields": {
            "challenge_url": "links.bank",
            "failure_reason": "outcome.reason",
            "amount_refunded": "refunds.total",
            "card_details": "card",
            "save_payment_method": "",
        }
    },
    "headers": {
        "headers": {
            "idempotency_key": "X-Idempotency-Key",
            "replayed": "X-Replayed",
            "request_id": ["X-Trace-Id"],
        }
    },
    "idempotency": {"idempotency": {"reuse": "conflict"}},
    "rate_limits": {"rate_limits": {"reset": "seconds"}},
    "mixed one": {
        "paths": {"tokens": "/payment-methods"},
        "lists": {"items": "", "has_more": ""},
        "statuses": {"paid": "succeeded"},
        "events": {"charge.paid": "payment.completed"},
        "webhooks": {"scheme": "body-base64", "data": "data.object"},
    },
    "mixed two": {
        "lists": {"has_more": "meta.more", "items": "payload", "after": "page[after]"},
        "fields": {"failure_reason": "error.reason"},
        "idempotency": {"reuse": "conflict"},
        "webhooks": {"scheme": "standard-webhooks"},
    },
    "mixed three": {
        "paths": {"confirm": "/payments/{id}/complete"},
        "statuses": {"captured": "succeeded", "refused": "failed"},
        "headers": {"replayed": "", "request_id": ["Correlation-Id"]},
        "rate_limits": {"reset": "seconds"},
        "webhooks": {"scheme": "body"},
    },
}

UNSEEN = ("events", "webhooks", "rate_limits")
"""What shows in deliveries alone, or is understood in either form."""
