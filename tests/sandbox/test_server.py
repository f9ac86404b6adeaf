"""The server, by raw bytes: what comes from anyone never ends in 5xx, and nothing hangs."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.pipeline import MAX_BODY_BYTES

KEY = b"Authorization: Bearer sk_test_acmeshop1\r\n"
POST = b"POST /v1/customers HTTP/1.1\r\nHost: 127.0.0.1\r\n" + KEY


@pytest.fixture
def address(sandbox: Sandbox) -> Iterator[tuple[str, int]]:
    with sandbox.serve() as served:
        url = httpx.URL(str(served.url))
        yield url.host, url.port or 0


def exchange(address: tuple[str, int], sent: bytes) -> bytes:
    """Send bytes, end, and return everything that comes back."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        received = bytearray()
        while piece := connection.recv(65536):
            received += piece
    return bytes(received)


def statuses(received: bytes) -> list[int]:
    return [int(part[:3]) for part in received.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / FTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 200 + b"\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: ten\r\n\r\n",
        POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Content-Length: 20\r\n\r\n{}",
        POST + b"Transfer-Encoding: gzip\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}extra\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ],
)
def test_malformed_http_is_the_clients_fault(
    address: tuple[str, int], sandbox: Sandbox, sent: bytes
) -> None:
    received = exchange(address, sent)
    assert b"HTTP/1.1 5" not in received
    assert all(400 <= status < 500 for status in statuses(received))
    assert sandbox.events() == []
    assert httpx.get(f"{sandbox.url}/openapi.json").status_code == 200


def test_chunked_body_is_read(address: tuple[str, int], sandbox: Sandbox) -> None:
    chunks = b'9;x=y\r\n{"name": \r\n7\r\n"Amal"}\r\n0\r\nX: 1\r\n\r\n'
    sent = POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks
    assert statuses(exchange(address, sent)) == [200]
    assert sandbox.objects("customer")[0]["name"] == "Amal"


def test_connection_carries_many_requests(address: tuple[str, int], sandbox: Sandbox) -> None:
    body = b"Content-Length: 2\r\n\r\n{}"
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    refused = b"Content-Length: 7\r\n\r\nnot it!"
    sent = POST + body + POST + chunked + POST + refused + POST + body
    assert statuses(exchange(address, sent)) == [200, 200, 400, 200]
    assert len(sandbox.objects("customer")) == 3


@pytest.mark.parametrize("chunked", [False, True])
def test_huge_body_gets_its_answer(
    address: tuple[str, int], sandbox: Sandbox, chunked: bool
) -> None:
    size = 3 * MAX_BODY_BYTES
    head = b"Content-Length: %d\r\n\r\n" % size
    body = head + b"x" * size
    if chunked:
        body = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, b"x" * size)
    assert statuses(exchange(address, POST + body)) == [413]
    assert sandbox.objects("customer") == []


def test_client_that_waits_for_leave_gets_it(address: tuple[str, int]) -> None:
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.sendall(b"{}")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_http_1_0_is_answered_and_closed(address: tuple[str, int]) -> None:
    received = exchange(address, b"GET /v1/payments HTTP/1.0\r\n" + KEY + b"\r\n")
    assert received.startswith(b"HTTP/1.1 200 ")


def test_odd_headers_are_no_error(address: tuple[str, int]) -> None:
    odd = b"Idempotency-Key: caf\xe9\r\nX_Y: 1\r\nX-Y: 2\r\nX-Y: 3\r\nContent-Length: 0\r\n\r\n"
    received = exchange(address, POST + odd)
    assert statuses(received) == [400]
    assert b"Idempotency-Key" in received


def test_reset_connection_hurts_nobody(address: tuple[str, int], sandbox: Sandbox) -> None:
    with socket.create_connection(address) as connection:
        linger_zero = b"\x01\x00\x00\x00\x00\x00\x00\x00"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
        connection.sendall(POST + b"Content-Length: 100\r\n\r\n{")
    assert httpx.get(f"{sandbox.url}/openapi.json").status_code == 200


def test_stopping_ends_connections_that_are_open(sandbox: Sandbox) -> None:
    headers = {"Authorization": "Bearer sk_test_acmeshop1"}
    with httpx.Client(headers=headers) as client:
        with sandbox.serve() as served:
            url = f"{served.url}/v1/payments"
            assert client.get(url).status_code == 200
        with pytest.raises(httpx.TransportError):
            client.get(url)
    assert sandbox.url is None


def test_same_state_is_reached_both_ways(client: httpx.Client, sandbox: Sandbox) -> None:
    made = client.post("/customers", json={"name": "Amal"}).json()
    with sandbox.serve() as served:
        answer = httpx.get(
            f"{served.url}/v1/customers/{made['id']}",
            headers={"Authorization": "Bearer sk_test_acmeshop1"},
        )
    assert answer.json() == made
