"""Loopback servers that answer well, or badly, byte by byte."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

Handler = Callable[[socket.socket, "Request"], None]


class Request(NamedTuple):
    """One request as it came in."""

    method: str
    path: str
    head: str
    body: bytes


class Server(NamedTuple):
    """A server that is listening."""

    base_url: str
    requests: list[Request]
    connections: list[socket.socket]
    threads: list[threading.Thread]
    stopping: threading.Event

    def is_left_alone(self) -> bool:
        """Tell whether all connections are closed, or soon are."""
        for thread in self.threads:
            thread.join(5)
        return not any(thread.is_alive() for thread in self.threads)


@contextlib.contextmanager
def serve(handler: Handler, *, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Let ``handler`` answer every request, each connection in a thread of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        scheme = "http" if tls is None else "https"
        base_url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/v1"
        server = Server(base_url, [], [], [], threading.Event())
        accepting = threading.Thread(target=_accept, args=(listener, handler, server, tls))
        accepting.start()
        try:
            yield server
        finally:
            server.stopping.set()
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(
    listener: socket.socket, handler: Handler, server: Server, tls: ssl.SSLContext | None
) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            server.connections.append(connection)
            thread = threading.Thread(target=_answer_all, args=(connection, handler, server, tls))
            thread.start()
            server.threads.append(thread)
    for connection in server.connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    for thread in server.threads:
        thread.join()


def _answer_all(
    connection: socket.socket, handler: Handler, server: Server, tls: ssl.SSLContext | None
) -> None:
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        stack.enter_context(connection)
        if tls is not None:
            connection = stack.enter_context(tls.wrap_socket(connection, server_side=True))
        while request := _read(connection):
            server.requests.append(request)
            handler(connection, request)


def _read(connection: socket.socket) -> Request | None:
    data = b""
    while b"\r\n\r\n" not in data:
        received = connection.recv(65536)
        if not received:
            return None
        data += received
    head, _, body = data.partition(b"\r\n\r\n")
    text = head.decode("latin-1")
    length = next(
        (
            int(line[15:])
            for line in text.splitlines()
            if line.lower().startswith("content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    method, path, _ = text.split(" ", 2)
    return Request(method, path, text, body)


def response(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """The bytes of an answer."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def echo(connection: socket.socket, request: Request) -> None:
    """Answer with a payment that has the id that was asked for."""
    identity = request.path.rstrip("/").split("/")[3] if request.path.count("/") > 2 else "pay_new"
    payment = {"id": identity, "object": "payment", "amount": 15000, "currency": "aed"}
    connection.sendall(response(json.dumps(payment).encode()))
