"""The network's edge: a PaySafer that knows payments, with outcomes by card, in a dict.

It keeps idempotency keys as PaySafer does, so that a renewal that is asked for twice is one
payment. Journeys over the real local PaySafer are in ``tests/flows``.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

Decide = Callable[[int], str]
"""From how often the card was tried to what becomes of it: ``ok``, a decline code, or
``lost``: the payment is made and the answer never arrives."""


@dataclass
class FakeAPI:
    """Answers the calls that renewals make."""

    cards: dict[str, Decide] = field(default_factory=dict)
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    tries: Counter[str] = field(default_factory=Counter)
    is_down: bool = False
    _by_key: dict[str, httpx.Response | str] = field(default_factory=dict)

    @property
    def transport(self) -> httpx.MockTransport:
        """The transport for the shop's client."""
        return httpx.MockTransport(self.handle)

    @property
    def charges(self) -> list[dict[str, Any]]:
        """The payments that moved money."""
        return [one for one in self.payments.values() if one["status"] == "succeeded"]

    def charged(self) -> list[tuple[str, str]]:
        """Return subscription and period of every charge, in order."""
        return [
            (one["metadata"]["paysafer_subscription"], one["metadata"]["paysafer_period"])
            for one in self.charges
        ]

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        if self.is_down:
            raise httpx.ConnectError("down")
        path = request.url.path.removeprefix("/v1")
        if request.method == "POST" and path == "/payments":
            return self._create(request)
        if request.method == "POST":
            return self._cancel(path.split("/")[2])
        if path == "/payments":
            data = list(reversed(self.payments.values()))
            return httpx.Response(200, json={"object": "list", "data": data, "has_more": False})
        return httpx.Response(200, json=self.payments[path.split("/")[2]])

    def _create(self, request: httpx.Request) -> httpx.Response:
        key = request.headers["Idempotency-Key"]
        known = self._by_key.get(key)
        if known is None:
            known = self._by_key[key] = self._charge(json.loads(request.content))
            if known.status_code == 599:
                self._by_key[key] = httpx.Response(200, content=known.content)
                raise httpx.ReadError("the answer was lost")
        assert isinstance(known, httpx.Response)
        return httpx.Response(known.status_code, content=known.content)

    def _charge(self, body: dict[str, Any]) -> httpx.Response:
        card = body.get("payment_method")
        if card is not None:
            self.tries[card] += 1
        verdict = "none" if card is None else self.cards.get(card, _good)(self.tries[card])
        is_paid = verdict in ("ok", "lost")
        payment = {
            "id": f"pay_{len(self.payments) + 1}",
            "object": "payment",
            **{name: body[name] for name in ("amount", "currency", "metadata")},
            "status": "succeeded" if is_paid else "requires_payment_method",
            "amount_received": body["amount"] if is_paid else 0,
            "payment_method": card,
            "customer": body.get("customer"),
            "created": 1_700_000_000,
            "livemode": False,
        }
        self.payments[str(payment["id"])] = payment
        if verdict in ("ok", "none"):
            return httpx.Response(200, json=payment)
        if verdict == "lost":
            return httpx.Response(599, json=payment)
        error = {
            "type": "card_error",
            "code": "card_declined",
            "decline_code": verdict,
            "message": "Declined",
            "payment": payment,
        }
        return httpx.Response(402, json={"error": error})

    def _cancel(self, payment_id: str) -> httpx.Response:
        payment = self.payments[payment_id]
        if payment["status"] == "succeeded":
            error = {"type": "invalid_request_error", "code": "payment_unexpected_state"}
            return httpx.Response(422, json={"error": {**error, "message": "It is paid."}})
        payment["status"] = "canceled"
        return httpx.Response(200, json=payment)


def _good(_: int) -> str:
    return "ok"


def declines(*codes: str) -> Decide:
    """Return a card that is declined so often, and then succeeds."""
    return lambda tries: codes[tries - 1] if tries <= len(codes) else "ok"


def always(code: str) -> Decide:
    """Return a card that ends the same way each time."""
    return lambda _: code
