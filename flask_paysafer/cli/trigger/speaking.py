"""Send one request of JSON, past proxies and following no redirect."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ...errors import PaySaferError

_SECONDS = 30


class Reply(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str] = MappingProxyType({})

    @property
    def is_good(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300


def send(method: str, url: str, payload: bytes = b"", **headers: str) -> Reply:
    """Send ``payload`` to ``url`` and return the answer.

    :raises PaySaferError: if there is none.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    try:
        connection = kind(parts.hostname or "", parts.port, timeout=_SECONDS)
        try:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            given = {"Content-Type": "application/json", **headers}
            connection.request(method, target, body=payload or None, headers=given)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            return Reply(answer.status, text, dict(answer.getheaders()))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PaySaferError(f"{url} gives no answer: {error}. Is it running?") from error


def send_json(method: str, url: str, value: Any = None) -> Any:
    """Send ``value`` as JSON and return the answer's JSON. See :func:`ask`."""
    return ask(method, url, value)[0]


def ask(method: str, url: str, value: Any = None) -> tuple[Any, Mapping[str, str]]:
    """Send ``value`` as JSON and return the answer's JSON and headers.

    :raises PaySaferError: for no answer, an error, or an answer that is no JSON.
    """
    payload = b"" if value is None else json.dumps(value).encode()
    reply = send(method, url, payload)
    try:
        answer = json.loads(reply.text)
    except ValueError:
        raise PaySaferError(
            f"{url} answered {reply.status} without JSON. Is a PaySafer sandbox there?"
        ) from None
    if not reply.is_good:
        error = answer["error"]
        raise PaySaferError(f"The sandbox refused it: {error['message']}", code=error["code"])
    return answer, reply.headers
