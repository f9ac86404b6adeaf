"""An HTTP client that sends exactly what it is given, one request a connection.

The API client's own library would repair what an exam breaks on purpose. Redirects are not
followed, and proxies are passed by.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from ..errors import PaySaferError

Header = tuple[str, str]
_CHUNK = 16_384
_MOST_READ = 65_536
_JSON_TIMEOUT = 30.0

UNREACHABLE = frozenset({"connection refused", "unknown host"})
"""Errors of a request that reached no server."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. ``status`` is 0 where none came, and ``error`` says why."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By name in lower case."""
    seconds: float = 0.0
    error: str = ""

    @property
    def location(self) -> str:
        """Where a redirect leads."""
        return self.headers.get("location", "")

    @property
    def is_good(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300


class HTTPClient:
    """Sends requests to one URL, each over a connection of its own.

    :param timeout: Seconds to wait for each step of a request.
    """

    def __init__(self, url: str | SplitResult, *, timeout: float) -> None:
        self._url = urlsplit(url) if isinstance(url, str) else url
        self._timeout = timeout

    def send(
        self,
        method: str,
        headers: Sequence[Header] = (),
        body: bytes = b"",
        *,
        chunked: bool = False,
        suffix: str = "",
        most_read: int | None = _MOST_READ,
    ) -> Reply:
        """Return the answer to one request; all that goes wrong is in the reply.

        :param headers: All but ``Host`` and those that frame the body.
        :param suffix: Added to the address's path.
        :param most_read: How many bytes of the answer's body are kept; None for all.
        """
        started = time.monotonic()
        try:
            with contextlib.closing(self._connect()) as connection:
                self._send(connection, method, headers, body, chunked, suffix)
                response = connection.getresponse()
                text = response.read(most_read).decode("utf-8", "replace")
                received = {name.lower(): value for name, value in response.getheaders()}
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Reply(0, error=_name(error), seconds=time.monotonic() - started)
        return Reply(response.status, text, received, time.monotonic() - started)

    def _connect(self) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=self._timeout)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        headers: Sequence[Header],
        body: bytes,
        chunked: bool,
        suffix: str,
    ) -> None:
        target = (self._url.path or "/") + suffix
        if self._url.query:
            target += f"?{self._url.query}"
        connection.putrequest(method, target, skip_accept_encoding=True)
        framing = (
            ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
        )
        for name, value in (*headers, framing, ("Connection", "close")):
            connection.putheader(name, value)
        connection.endheaders()
        # A server may refuse a body before it has read it: its answer still counts.
        with contextlib.suppress(ConnectionError):
            for part in _frames(body) if chunked else [body]:
                connection.send(part)


def _frames(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), _CHUNK):
        part = body[start : start + _CHUNK]
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


def _name(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, socket.gaierror):
        return "unknown host"
    return type(error).__name__


def ask_sandbox(method: str, url: str, value: Any = None) -> tuple[Any, Reply]:
    """Send ``value`` as JSON to a sandbox's control API; return the answer's JSON, and the answer.

    :raises PaySaferError: for no answer, an error, or an answer that is no JSON.
    """
    body = b"" if value is None else json.dumps(value).encode()
    client = HTTPClient(url, timeout=_JSON_TIMEOUT)
    reply = client.send(method, [("Content-Type", "application/json")], body, most_read=None)
    if not reply.status:
        raise PaySaferError(f"{url} gives no answer: {reply.error}. Is it running?")
    try:
        answer = json.loads(reply.text)
    except ValueError:
        raise PaySaferError(
            f"{url} answered {reply.status} without JSON. Is a PaySafer sandbox there?"
        ) from None
    if not reply.is_good:
        error = answer["error"]
        raise PaySaferError(f"The sandbox refused it: {error['message']}", code=error["code"])
    return answer, reply
