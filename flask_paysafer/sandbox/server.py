"""Read a request's body off a connection, whole, so that the next request begins after it."""

from __future__ import annotations

import io
import socket
import socketserver
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from .faults import SOCKET
from .pipeline import MAX_BODY_BYTES

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment


_DRAINED_AT_MOST = 64 * MAX_BODY_BYTES
_PIECE = 65536
_LONGEST_LINE = 1024


class BadRequest(Exception):  # noqa: N818 (named after the status it becomes)
    """The bytes received are not an HTTP request."""


def read_request_body(
    headers: Message, stream: BufferedIOBase, before_reading: Callable[[], None]
) -> tuple[bytes, bool]:
    """Return the body, and whether all of it was read.

    A body beyond the limit comes back one byte longer than the limit allows,
    so that the app refuses it.

    :raises BadRequest: if its length makes no sense, or it breaks off.
    """
    lengths = headers.get_all("Content-Length", [])
    encodings = headers.get_all("Transfer-Encoding", [])
    if encodings:
        if lengths or [one.strip().lower() for one in encodings] != ["chunked"]:
            raise BadRequest("Transfer-Encoding must be chunked alone")
        before_reading()
        return _read_chunks(stream)
    if not lengths:
        return b"", True
    if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
        raise BadRequest("Content-Length is not a number")
    before_reading()
    return _read_exactly(stream, int(lengths[0]))


def _read_exactly(stream: BufferedIOBase, length: int) -> tuple[bytes, bool]:
    if length <= MAX_BODY_BYTES:
        return _read(stream, length), True
    _discard(stream, min(length, _DRAINED_AT_MOST))
    return b"." * (MAX_BODY_BYTES + 1), length <= _DRAINED_AT_MOST


def _read(stream: BufferedIOBase, length: int) -> bytes:
    body = stream.read(length)
    if len(body) < length:
        raise BadRequest("the body broke off")
    return body


def _discard(stream: BufferedIOBase, length: int) -> None:
    """Read on, so that a client that sends before it listens gets to see the answer."""
    while length > 0:
        length -= len(_read(stream, min(length, _PIECE)))


def _read_chunks(stream: BufferedIOBase) -> tuple[bytes, bool]:
    body = bytearray()
    total = 0
    while size := _chunk_size(stream):
        total += size
        if total > _DRAINED_AT_MOST:
            return b"." * (MAX_BODY_BYTES + 1), False
        chunk = _read(stream, size)
        body += chunk[: MAX_BODY_BYTES + 1 - len(body)]
        if _line(stream):
            raise BadRequest("a chunk is longer than it says")
    while _line(stream):
        pass  # trailers
    return bytes(body), True


def _chunk_size(stream: BufferedIOBase) -> int:
    text = _line(stream).split(b";")[0].strip()
    if not text or len(text) > 8 or any(digit not in b"0123456789abcdefABCDEF" for digit in text):
        raise BadRequest("a chunk's length is not a number")
    return int(text, 16)


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise BadRequest("the body broke off")
    return line.rstrip(b"\r\n")


_IDLE_SECONDS = 120
_REACHED_AT = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (told apart, not bound)
"""Where a server is found that listens everywhere."""


class SandboxServer(socketserver.ThreadingMixIn, HTTPServer):
    """Serves ``app``; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, host: str, port: int, app: WSGIApplication) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.app = app
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the network for this machine's name as HTTPServer does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]  # a family's own form

    @property
    def url(self) -> str:
        """Where it answers."""
        host = _REACHED_AT.get(self.server_name, self.server_name)
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.server_port}"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember the connection, to end it when the server stops."""
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget the connection and close it."""
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that breaks is a client's everyday business; other errors are ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        """Take no more requests and end the connections that are open."""
        self.shutdown()
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Turns one connection's requests into WSGI calls."""

    server: SandboxServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    wbufsize = -1  # head and body leave together, or a client's delayed ACK costs 40 ms

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        try:
            body, ended = read_request_body(self.headers, self.rfile, self._please_continue)
        except BadRequest as error:
            self.send_error(HTTPStatus.BAD_REQUEST, str(error))
            return
        self.close_connection = self.close_connection or not ended
        self._answer(self._environ(body))

    def _please_continue(self) -> None:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(HTTPStatus.CONTINUE)
            self.end_headers()
            self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Answer it only once the body is wanted: see ``_please_continue``."""
        return True

    def _answer(self, environ: WSGIEnvironment) -> None:
        chunks: Iterable[bytes] = ()
        try:
            chunks = self.server.app(environ, self._start_response)
            for chunk in chunks:
                if self.command != "HEAD":
                    self.wfile.write(chunk)
                    self.wfile.flush()
            self.wfile.flush()
        except ConnectionError:
            self.close_connection = True
        finally:
            close = getattr(chunks, "close", None)
            if close:
                close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], _exc_info: Any = None
    ) -> Callable[[bytes], object]:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name, _ in headers) and code != "204":
            self.close_connection = True  # the end of the connection is the end of the body
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        return self.wfile.write

    def _environ(self, body: bytes) -> WSGIEnvironment:
        path, _, query = self.path.partition("?")
        environ: WSGIEnvironment = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": self.server.server_name,
            "SERVER_PORT": str(self.server.server_port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            SOCKET: self.connection,
        }
        for name, value in self.headers.items():
            _add_header(environ, name, value)
        # The body is whole now, however it travelled.
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
        return environ

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer a request that is no HTTP: whatever is wrong with it, it is the client's."""
        theirs = HTTPStatus.BAD_REQUEST if code >= HTTPStatus.INTERNAL_SERVER_ERROR else code
        super().send_error(theirs, message, explain)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Log nothing: the dashboard shows the requests."""


def _add_header(environ: WSGIEnvironment, name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if "_" in name:  # it would look like the header with dashes
        return
    if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
        key = f"HTTP_{key}"
    environ[key] = f"{environ[key]},{value}" if key in environ else value
