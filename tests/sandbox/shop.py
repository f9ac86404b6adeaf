"""A shop that notes its webhooks and answers as it is told."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx

from flask_paysafer.sandbox import WebhookRequest, WebhookResponse

WEBHOOK = "http://127.0.0.1:5000/paysafer/webhook"


class Shop:
    """Stands at the network's edge: the sandbox's sender hands it requests."""

    def __init__(self) -> None:
        self.requests: list[WebhookRequest] = []
        self.answers: list[WebhookResponse] = []
        """What to answer next; with nothing left, 200."""
        self.default = WebhookResponse(200)
        self._lock = threading.Lock()

    def receive(self, request: WebhookRequest) -> WebhookResponse:
        with self._lock:
            self.requests.append(request)
            return self.answers.pop(0) if self.answers else self.default

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(request.body) for request in self.requests]

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def register(self, client: httpx.Client, **fields: Any) -> dict[str, Any]:
        answer = client.post("/webhook-endpoints", json={"url": WEBHOOK} | fields)
        endpoint: dict[str, Any] = answer.raise_for_status().json()
        return endpoint
