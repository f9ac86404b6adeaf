"""What a fault does to an answer: lose it, cut it, break it, or let it drip.

Over a real socket the connection itself is broken. In process there is none,
so the error is raised that httpx raises for a broken connection: the client
under test can't tell the difference.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Response

from .faults import Fault

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SOCKET = "paysafer.sandbox.socket"
"""Where the sandbox's own server leaves the connection in the WSGI environment."""
_DRIPS = 10


def spoil(answer: Response, fault: Fault, closing: threading.Event) -> Response:
    """Return the answer as the fault leaves it.

    :param closing: Set when the sandbox stops: nothing drips on after that.
    """
    body = answer.get_data()
    if fault.kind == "bad-json":
        answer.set_data(b'{"id": ' + body[: len(body) // 2])
        return answer
    answer.headers["Content-Length"] = str(len(body))
    if fault.kind == "drip":
        answer.response = _drip(body, fault.seconds, closing)
        return answer
    kept = b"" if fault.kind == "lost-answer" else body[: len(body) // 2]
    return _Broken(answer, kept)


def _drip(body: bytes, seconds: float, closing: threading.Event) -> Iterator[bytes]:
    size = max(1, len(body) // _DRIPS)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for piece in pieces:
        closing.wait(seconds / len(pieces))
        yield piece


class _Broken(Response):
    """An answer whose connection breaks after ``kept`` of its body."""

    def __init__(self, answer: Response, kept: bytes) -> None:
        super().__init__(status=answer.status, headers=answer.headers)
        self._kept = kept

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        break_off = _breaker(environ.get(SOCKET))
        if not self._kept:
            break_off("Server disconnected without sending a response.")
        start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
        return self._send(break_off)

    def _send(self, break_off: Callable[[str], None]) -> Iterator[bytes]:
        yield self._kept
        break_off("peer closed connection without sending complete message body")


def _breaker(connection: socket.socket | None) -> Callable[[str], None]:
    def break_off(message: str) -> None:
        if connection is None:
            raise _connection_error(message)
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    return break_off


def _connection_error(message: str) -> Any:
    import httpx

    return httpx.RemoteProtocolError(message)
