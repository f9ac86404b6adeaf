"""Raw HTTP to one address. The client's own library would mend what the exam breaks on purpose."""

from __future__ import annotations

import contextlib
import http.client
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult

Header = tuple[str, str]
_CHUNK = 16_384
_MOST_READ = 65_536

UNREACHABLE = frozenset({"connection refused", "unknown host"})
"""Errors of a request that reached nobody."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``status`` is 0 where no answer came, and ``error`` says why."""

    status: int
    text: str = ""
    location: str = ""
    seconds: float = 0.0
    error: str = ""


class Speaker:
    """Sends requests to one URL, each over a connection of its own."""

    def __init__(self, url: SplitResult, *, timeout: float) -> None:
        self._url = url
        self._timeout = timeout

    def send(
        self,
        method: str,
        headers: Sequence[Header],
        body: bytes,
        *,
        chunked: bool,
        suffix: str = "",
    ) -> Reply:
        """Return the answer to one request; whatever goes wrong is in the reply."""
        started = time.monotonic()
        try:
            with contextlib.closing(self._connect()) as connection:
                response = self._exchange(connection, method, headers, body, chunked, suffix)
                text = response.read(_MOST_READ).decode("utf-8", "replace")
                location = response.headers.get("Location", "")
        except (OSError, http.client.HTTPException) as error:
            return Reply(0, error=_name(error), seconds=time.monotonic() - started)
        return Reply(response.status, text, location, time.monotonic() - started)

    def _connect(self) -> http.client.HTTPConnection:
        secure = self._url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self._url.hostname or "", self._url.port, timeout=self._timeout)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        headers: Sequence[Header],
        body: bytes,
        chunked: bool,
        suffix: str,
    ) -> http.client.HTTPResponse:
        connection.putrequest(method, (self._url.path or "/") + suffix, skip_accept_encoding=True)
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
        return connection.getresponse()


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
