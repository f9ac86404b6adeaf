"""A PaySafer that writes down what it is asked, and always says yes."""

from __future__ import annotations

import json
from typing import Any

import httpx

from .driving import payment


class Recorder(httpx.MockTransport):
    """Answers with the object that was asked for."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        parts = request.url.path.split("/")
        if request.method == "GET" and len(parts) == 3:
            return httpx.Response(200, json={"object": "list", "data": [], "has_more": False})
        return httpx.Response(200, json=payment(id=parts[3] if len(parts) > 3 else "pay_1"))

    @property
    def request(self) -> httpx.Request:
        """The one request that came."""
        (request,) = self.requests
        return request

    @property
    def body(self) -> Any:
        """What the one request that came holds."""
        return json.loads(self.request.content) if self.request.content else None
