"""An app with the webhook route alone, over an inbox and a dispatcher that only take notes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from flask_paysafer import Webhook
from flask_paysafer.config import load_config
from flask_paysafer.events import Event
from flask_paysafer.inbox.records import Recorded, State
from flask_paysafer.webhooks.runner import DispatchResult
from flask_paysafer.webhooks.view import WebhookView, add_webhook_routes

SECRET = "whsec_7Wq3nB8xZk2LmV5tRc9pYh4sDf6gJa1e"
OLD_SECRET = "whsec_9fJkQ2mXv7Lr4TzPb6Nc8Wd3Hs5Gy1Ea"
PATH = "/paysafer/webhook"


@dataclass
class NotingInbox:
    """Stores in a dict; can be told to be down."""

    stored: dict[str, tuple[bytes, State]] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    quarantined: list[tuple[bytes, str]] = field(default_factory=list)
    error: Exception | None = None

    def record(
        self, event: Event, payload: bytes, *, verified_with: str | None, ignored: str | None = None
    ) -> Recorded:
        self._raise()
        self.calls.append(
            {"id": event.id, "type": event.type, "verified_with": verified_with, "ignored": ignored}
        )
        state: State = "ignored" if ignored else "pending"
        known = self.stored.setdefault(event.id, (payload, state))
        is_new = known[0] is payload
        conflict = known[0] != payload
        return Recorded(1, event.id, known[1], is_new=is_new, conflict=conflict)

    def quarantine(
        self,
        payload: bytes,
        *,
        reason: str,
        event_id: str | None = None,
        verified_with: str | None = None,
    ) -> None:
        self._raise()
        self.quarantined.append((payload, reason))

    def settle(self, event_id: str, state: State) -> None:
        self.stored[event_id] = (self.stored[event_id][0], state)

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error


@dataclass
class NotingDispatcher:
    """Answers what it was told to."""

    result: DispatchResult = "done"
    wanted: bool = True
    error: Exception | None = None
    dispatched: list[str] = field(default_factory=list)

    def wants(self, event: Event) -> bool:
        return self.wanted

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        if self.error is not None:
            raise self.error
        self.dispatched.append(recorded.event_id)
        return self.result


class Door:
    """The app and its parts, in the place of the extension's state, and how to knock."""

    def __init__(
        self, app: Flask | None = None, *, name: str = "paysafer", **settings: Any
    ) -> None:
        self.app = app or Flask("shop")
        self.inbox: Any = NotingInbox()
        self.dispatcher: Any = NotingDispatcher()
        self.watch: Callable[[Event], None] | None = None
        given = {"WEBHOOK_SECRET": SECRET, **settings}
        settings = {f"{name.upper()}_{key}": value for key, value in given.items()}
        self.config = load_config(settings, {}, name=name)
        self.view = WebhookView(self)  # type: ignore[arg-type]  # it is all that the view needs
        blueprint = Blueprint(name, __name__)
        add_webhook_routes(blueprint, self)  # type: ignore[arg-type]
        self.app.register_blueprint(blueprint, url_prefix=self.config.url_prefix)

    def on_stored(self, event: Event) -> None:
        if self.watch is not None:
            self.watch(event)

    @property
    def client(self) -> FlaskClient:
        return self.app.test_client()

    def deliver(
        self,
        body: bytes | None = None,
        *,
        secret: str = SECRET,
        age: int = 0,
        signature: str | None = None,
        path: str = PATH,
        **request: Any,
    ) -> TestResponse:
        """POST ``body``, by default an event, signed ``age`` seconds ago unless told otherwise."""
        body = event_body() if body is None else body
        if signature is None:
            signature = sign(body, secret=secret, age=age)
        headers = {"PaySafer-Signature": signature, **request.pop("headers", {})}
        request.setdefault("content_type", "application/json")
        return self.client.post(path, data=body, headers=headers, **request)

    @property
    def touched(self) -> bool:
        """Whether anything was stored, set aside or run."""
        return bool(self.inbox.calls or self.inbox.quarantined or self.dispatcher.dispatched)


def sign(body: bytes, *, secret: str = SECRET, age: int = 0) -> str:
    return Webhook.sign(body, secret, timestamp=int(time.time()) - age)


def event_body(
    event_id: str = "evt_1", kind: str = "payment.completed", *, livemode: bool = False
) -> bytes:
    data = {"id": "pay_1", "object": "payment", "amount": 15000, "livemode": livemode}
    event = {"id": event_id, "object": "event", "type": kind, "created": 1709472000, "data": data}
    return json.dumps(event).encode()
