"""Deliveries over real sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from flask_paysafer.sandbox import WebhookRequest, WebhookResponse
from flask_paysafer.sandbox.sender import HttpSender, link_problem

Serve = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def listening(serve: Serve) -> Iterator[str]:
    """Accept one connection and let ``serve`` have it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def accept() -> None:
            connection, _ = server.accept()
            with connection:
                serve(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook?shop=1"
        thread.join(10)


def send(url: str, **options: float) -> WebhookResponse:
    return HttpSender(**options)(WebhookRequest(url, {"X-Test": "1"}, b"{}"))  # type: ignore[arg-type]  # only timeout is given


def test_posts_the_body_and_the_headers() -> None:
    got = bytearray()

    def serve(connection: socket.socket) -> None:
        while not got.endswith(b"\r\n\r\n{}"):
            got.extend(connection.recv(65536))
        connection.sendall(OK)

    with listening(serve) as url:
        reply = send(url)
    assert (reply.status_code, reply.body, reply.accepted) == (200, "ok", True)
    assert got.startswith(b"POST /hook?shop=1 HTTP/1.1\r\n")
    assert b"X-Test: 1\r\n" in got


def test_follows_no_redirect() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
        )

    with listening(serve) as url:
        reply = send(url)
    assert (reply.status_code, reply.accepted) == (302, False)


@pytest.mark.parametrize("dribble", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"])
def test_gives_up_on_an_answer_that_takes_too_long(dribble: bytes) -> None:
    """An answer that comes byte by byte is cut too, though each byte comes in time."""
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(dribble)
        while not done.wait(0.02):
            if dribble:
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with listening(serve) as url:
        reply = send(url, timeout=0.3)
        done.set()
    assert (reply.status_code, reply.accepted) == (None, False)
    assert reply.error == "timeout: no answer within 0.3 seconds"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 two hundred\r\n\r\n", b"\x16\x03\x01"])
def test_what_is_no_http_fails_the_attempt(answer: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(answer)

    with listening(serve) as url:
        reply = send(url)
    assert reply.status_code is None
    assert reply.error


def test_nobody_listening_fails_the_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    reply = send(f"http://127.0.0.1:{port}/")
    assert reply.error is not None
    assert reply.error.startswith("ConnectionRefusedError")


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/hook",
        "http://10.0.0.1/hook",
        "http://0.0.0.0/hook",
        "http://[2001:db8::1]/hook",
        "http://localhost.evil.example/hook",
        "http://169.254.169.254/latest",
        "http://user@127.0.0.1/hook",
        "ftp://127.0.0.1/hook",
        "http://127.0.0.1:99999/hook",
        "http://[::1/hook",
        "http:///hook",
    ],
)
def test_nothing_is_sent_elsewhere(url: str) -> None:
    assert link_problem(url, allow_remote=False)
    assert send(url).error


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:5000/", "https://localhost/hook", "http://[::1]:80", "http://127.9.9.9"],
)
def test_this_machine_is_reached(url: str) -> None:
    assert link_problem(url, allow_remote=False) is None


def test_other_machines_are_reached_where_allowed() -> None:
    assert link_problem("https://shop.example/hook", allow_remote=True) is None
    assert link_problem("ftp://shop.example/hook", allow_remote=True)
