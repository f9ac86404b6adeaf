"""The last requests and their answers, for the dashboard and for ``GET requests``.

Card data and keys are masked before anything is kept.
"""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LENGTH = 2000
_MAX_BODY = 65536
_MASKED_HEADERS = {"HTTP_AUTHORIZATION", "HTTP_COOKIE"}
_SECRET_FIELDS = {"number", "cvc"}
_MAY_HOLD_A_CARD = re.compile(r'"(?:card|number|cvc)"|[0-9]{14}')
_CARD_NUMBER = re.compile(r"[0-9]{14,19}")


@dataclass
class Logged:
    """One request to the API, filled in as it goes its way."""

    id: str
    at: float
    method: str
    path: str
    query: str = ""
    account: str | None = None
    mode: str | None = None
    idempotency_key: str | None = None
    fault: str | None = None
    replayed: bool = False
    status: int | None = None
    error: str | None = None
    """The error's code."""
    milliseconds: int | None = None
    """How long the answer took, in real time."""
    route: str | None = None
    _sent: tuple[dict[str, str], str] = field(default=({}, ""), repr=False)
    _answered: tuple[dict[str, str], str] = field(default=({}, ""), repr=False)

    def keep(
        self, environ: Mapping[str, Any], body: bytes, headers: dict[str, str], answer: str
    ) -> None:
        """Keep what was sent and answered, without keys and cards."""
        sent = {
            name: value
            for name, value in environ.items()
            if name[:5] == "HTTP_" and name not in _MASKED_HEADERS
        }
        self._sent = (sent, safe_body(body))
        self._answered = (headers, answer)

    def shown(self) -> dict[str, Any]:
        """Return it as ``GET requests`` lists it."""
        known = {name: value for name, value in vars(self).items() if name[0] != "_"}
        sent, body = self._sent
        headers, answer = self._answered
        return {
            **known,
            "at": int(self.at),
            "request": {
                "headers": {_as_sent(name): value for name, value in sent.items()},
                "body": body,
            },
            "response": {"headers": headers, "body": answer},
        }


@dataclass(frozen=True)
class Step:
    """An action without a request, as a test would repeat it."""

    at: float
    step: str
    """The call in a test, such as ``paysafer_sandbox.trigger``."""
    arguments: tuple[str, ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    made: str | None = None
    """The id of the object that the event it returns is about."""

    def shown(self) -> dict[str, Any]:
        """Return it beside requests."""
        return {**vars(self), "at": int(self.at)}


class RequestLog:
    """The latest requests, oldest first; appending is safe from every thread."""

    def __init__(self) -> None:
        self._entries: deque[Logged | Step] = deque(maxlen=_LENGTH)

    def add(self, entry: Logged | Step) -> None:
        """Keep one more; the oldest makes room."""
        self._entries.append(entry)

    def listed(self) -> list[dict[str, Any]]:
        """Return every request that is kept."""
        return [entry.shown() for entry in list(self._entries) if isinstance(entry, Logged)]

    def story(self) -> list[dict[str, Any]]:
        """Return the requests and what happened between them."""
        return [entry.shown() for entry in list(self._entries)]

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()


def _as_sent(name: str) -> str:
    """Return a header's name as people write it, from WSGI's ``HTTP_IDEMPOTENCY_KEY``."""
    return name[5:].replace("_", "-").title()


def safe_body(body: bytes) -> str:
    """Return the body as text, with card numbers and CVCs masked."""
    text = body[:_MAX_BODY].decode("utf-8", "replace")
    if not _MAY_HOLD_A_CARD.search(text):
        return text
    try:
        return json.dumps(_masked(json.loads(text)))
    except (ValueError, RecursionError):
        return "(not shown: it may hold a card)"


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "…" if name in _SECRET_FIELDS else _masked(inner) for name, inner in value.items()
        }
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, int):
        return "…" if _CARD_NUMBER.search(str(value)) else value
    return _CARD_NUMBER.sub("…", value) if isinstance(value, str) else value
