"""Both drivers against servers that behave badly, over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient, responses
from flask_paysafer.client.operation import NoResponse, Send
from flask_paysafer.client.transport import AsyncConnections, Connections
from flask_paysafer.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    CardError,
    PaySaferError,
    ServerError,
)

from .driving import SECRET_KEY
from .recording import Recorder
from .servers import Request, echo, response, serve

pytestmark = pytest.mark.slow

Call = Callable[..., Any]
PAYMENT = b'{"id": "pay_1", "object": "payment", "amount": 15000, "currency": "aed"}'


def call_blocking(base_url: str, *, verb: str = "create", **options: Any) -> Any:
    params = _split_off_params(options)
    with PaySaferClient(SECRET_KEY, base_url=base_url, **options) as client:
        if verb == "retrieve":
            return client.payments.retrieve("pay_1")
        return client.payments.create(amount=15000, currency="aed", **params)


def call_async(base_url: str, *, verb: str = "create", **options: Any) -> Any:
    params = _split_off_params(options)

    async def call() -> Any:
        async with AsyncPaySaferClient(SECRET_KEY, base_url=base_url, **options) as client:
            if verb == "retrieve":
                return await client.payments.retrieve("pay_1")
            return await client.payments.create(amount=15000, currency="aed", **params)

    return asyncio.run(call())


def _split_off_params(options: dict[str, Any]) -> Any:
    return {name: options.pop(name) for name in ("receipt_email",) if name in options}


@pytest.fixture(params=[call_blocking, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    chosen: Call = request.param
    return chosen


def fail(call: Call, base_url: str, **options: Any) -> PaySaferError:
    with pytest.raises(PaySaferError) as caught:
        call(base_url, **options)
    return caught.value


def send_slowly(data: bytes, step: float) -> Callable[[socket.socket, Request], None]:
    def handler(connection: socket.socket, _: Request) -> None:
        for position in range(len(data)):
            connection.sendall(data[position : position + 1])
            threading.Event().wait(step)

    return handler


def test_a_payment_is_created_over_a_socket(call: Call) -> None:
    with serve(echo) as server:
        assert call(server.base_url).id == "pay_new"
    (request,) = server.requests
    assert request.method == "POST"
    assert request.body == b'{"amount":15000,"currency":"aed"}'
    assert f"Authorization: Bearer {SECRET_KEY}" in request.head
    assert f"Host: {server.base_url[7:-3]}" in request.head


@pytest.mark.parametrize("prefix", [b"", response(PAYMENT)[:60]], ids=["headers", "body"])
def test_an_answer_in_drops_ends_with_the_deadline(call: Call, prefix: bytes) -> None:
    """A socket's own timeout begins anew with each byte, so it would last for minutes."""

    def handler(connection: socket.socket, request: Request) -> None:
        connection.sendall(prefix)
        send_slowly(response(PAYMENT)[len(prefix) :] * 20, 0.05)(connection, request)
        whole.set()

    whole = threading.Event()
    with serve(handler) as server:
        error = fail(call, server.base_url, timeout=10.0, deadline=0.4, max_retries=5)
        assert not whole.is_set()
    assert type(error) is APITimeoutError
    assert error.outcome == "unknown"
    assert error.attempts == 1


def test_an_attempt_in_drops_ends_with_its_timeout_and_is_repeated(call: Call) -> None:
    slow = send_slowly(response(PAYMENT), 0.05)

    def handler(connection: socket.socket, request: Request) -> None:
        (slow if len(server.requests) == 1 else echo)(connection, request)

    with serve(handler) as server:
        assert call(server.base_url, timeout=0.3, deadline=20.0).id == "pay_new"
    first, second = server.requests
    assert first == second


def test_a_server_that_never_answers_is_a_timeout(call: Call) -> None:
    def handler(connection: socket.socket, _: Request) -> None:
        server.stopping.wait(30)

    with serve(handler) as server:
        error = fail(call, server.base_url, timeout=0.2, max_retries=0)
    assert (type(error), error.outcome) == (APITimeoutError, "unknown")


def test_a_port_where_nobody_listens_means_that_nothing_was_sent(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    error = fail(call, f"http://127.0.0.1:{port}/v1", max_retries=1)
    assert (type(error), error.outcome, error.attempts) == (APIConnectionError, "not_sent", 2)
    assert error.message == "No answer from PaySafer to POST /payments (ConnectError)."


def test_a_connection_that_breaks_is_asked_again_with_the_same_request(call: Call) -> None:
    def handler(connection: socket.socket, request: Request) -> None:
        if len(server.requests) == 1:
            connection.shutdown(socket.SHUT_RDWR)
        else:
            echo(connection, request)

    with serve(handler) as server:
        assert call(server.base_url).id == "pay_new"
    first, second = server.requests
    assert first == second
    assert "Idempotency-Key: " in first.head


def test_an_answer_that_breaks_off_is_no_answer(call: Call) -> None:
    def handler(connection: socket.socket, _: Request) -> None:
        connection.sendall(response(PAYMENT)[:-10])
        connection.shutdown(socket.SHUT_RDWR)

    with serve(handler) as server:
        error = fail(call, server.base_url, max_retries=1)
    assert (type(error), error.outcome, error.attempts) == (APIConnectionError, "unknown", 2)


def test_a_refusal_whose_body_breaks_off_is_still_a_refusal(call: Call) -> None:
    def handler(connection: socket.socket, _: Request) -> None:
        connection.sendall(response(b"x" * 100, status="402 Payment Required")[:-50])
        connection.shutdown(socket.SHUT_RDWR)

    with serve(handler) as server:
        error = fail(call, server.base_url)
    assert (type(error), error.outcome) == (CardError, "rejected")
    assert error.message == "PaySafer answered 402."


def test_an_answer_without_end_is_not_read_to_it(
    call: Call,
) -> None:
    def handler(connection: socket.socket, _: Request) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:  # until the client hangs up
            connection.sendall(b" " * 65536)

    with serve(handler) as server:
        error = fail(call, server.base_url)
    assert (type(error), error.outcome) == (APIError, "unknown")
    assert error.message.endswith("can't be used: it is too large.")


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b"<html>busy</html>", "", "it is not JSON"),
        (b"", "", "it is not JSON"),
        (b"[]", "", "it is no JSON object"),
        (b"x" * 1_000_000, "", "it is not JSON"),
        (
            gzip.compress(PAYMENT)[:-12],
            "Content-Encoding: gzip\r\n",
            "its compressed form is cut off or too large",
        ),
        (
            gzip.compress(b" " * (responses.MAX_BYTES + 1)),
            "Content-Encoding: gzip\r\n",
            "its compressed form is cut off or too large",
        ),
        (b"no gzip", "Content-Encoding: gzip\r\n", "its compression is broken"),
        (PAYMENT, "Content-Encoding: br\r\n", "its content encoding was not asked for"),
    ],
    ids=["html", "empty", "list", "megabyte", "cut gzip", "gzip bomb", "no gzip", "brotli"],
)
def test_a_success_that_is_something_else_has_an_unknown_outcome(
    call: Call, body: bytes, headers: str, reason: str
) -> None:
    with serve(lambda c, _: c.sendall(response(body, headers=headers))) as server:
        error = fail(call, server.base_url)
    assert error.message == f"PaySafer's answer to POST /payments can't be used: {reason}."
    assert (type(error), error.outcome, error.attempts) == (APIError, "unknown", 1)


def test_a_compressed_answer_is_read(call: Call) -> None:
    packed = response(gzip.compress(PAYMENT), headers="Content-Encoding: gzip\r\n")
    with serve(lambda c, _: c.sendall(packed)) as server:
        assert call(server.base_url, verb="retrieve").amount == 15000


def test_garbage_in_place_of_http_is_no_answer(call: Call) -> None:
    def handler(connection: socket.socket, _: Request) -> None:
        connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
        connection.shutdown(socket.SHUT_RDWR)

    with serve(handler) as server:
        error = fail(call, server.base_url, max_retries=0)
    assert (type(error), error.outcome) == (APIConnectionError, "unknown")


def test_a_kept_connection_that_the_server_closed_is_replaced(call: Call) -> None:
    def handler(connection: socket.socket, request: Request) -> None:
        echo(connection, request)
        connection.shutdown(socket.SHUT_RDWR)

    with serve(handler) as server:
        assert call(server.base_url).id == "pay_new"
        assert call(server.base_url).id == "pay_new"


def test_a_server_error_over_a_socket_is_asked_again(call: Call) -> None:
    def handler(connection: socket.socket, request: Request) -> None:
        if len(server.requests) < 3:
            error = response(b"", status="503 Busy", headers="Retry-After: 0\r\n")
            connection.sendall(error)
        else:
            echo(connection, request)

    with serve(handler) as server:
        assert call(server.base_url).id == "pay_new"
    assert len({request.head for request in server.requests}) == 1


@pytest.mark.parametrize(
    ("failure", "cls", "outcome"),
    [
        (httpx.ConnectError("no"), APIConnectionError, "not_sent"),
        (httpx.ConnectTimeout("no"), APITimeoutError, "not_sent"),
        (httpx.PoolTimeout("no"), APITimeoutError, "not_sent"),
        (httpx.ProxyError("no"), APIConnectionError, "not_sent"),
        (httpx.ReadTimeout("no"), APITimeoutError, "unknown"),
        (httpx.WriteTimeout("no"), APITimeoutError, "unknown"),
        (httpx.ReadError("no"), APIConnectionError, "unknown"),
        (httpx.WriteError("no"), APIConnectionError, "unknown"),
        (httpx.RemoteProtocolError("no"), APIConnectionError, "unknown"),
        (ConnectionResetError("no"), APIConnectionError, "unknown"),
    ],
)
def test_failures_of_a_given_transport_are_told_apart(
    call: Call, failure: Exception, cls: type[PaySaferError], outcome: str
) -> None:
    def handler(_: httpx.Request) -> httpx.Response:
        raise failure

    transport = httpx.MockTransport(handler)
    error = fail(call, "https://api.paysafer.me/v1", transport=transport, max_retries=0)
    assert (type(error), error.outcome) == (cls, outcome)
    # Its traceback would lead to requests, and so to keys.
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_given_transport_gets_the_whole_request_and_what_time_is_left(call: Call) -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=PAYMENT)

    call("https://api.paysafer.me/v1", transport=httpx.MockTransport(handler), timeout=3.0)
    (request,) = seen
    assert str(request.url) == "https://api.paysafer.me/v1/payments"
    assert request.content == b'{"amount":15000,"currency":"aed"}'
    assert request.headers["content-length"] == str(len(request.content))
    left = request.extensions["timeout"]
    assert set(left) == {"connect", "read", "write", "pool"}
    assert 0 < left.get("read") <= 3.0


def test_a_500_of_a_given_transport_is_a_server_error(call: Call) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(500, text="<html>"))
    error = fail(call, "https://api.paysafer.me/v1", transport=transport, max_retries=0)
    assert (type(error), error.message) == (ServerError, "PaySafer answered 500.")


@pytest.mark.parametrize("client", [PaySaferClient, AsyncPaySaferClient])
def test_refuses_what_is_no_transport(client: Any) -> None:
    with pytest.raises(TypeError, match="transport must be an httpx"):
        client(SECRET_KEY, transport=object())


def test_no_log_of_any_library_shows_keys_cards_or_addresses(
    call: Call, caplog: pytest.LogCaptureFixture
) -> None:
    """At the lowest level, which somebody switches on when payments don't work."""
    caplog.set_level(1)
    body = b'{"error": {"message": "Bad: customer@example.com 4242424242424242 sk_test_acmeshop1"}}'
    with serve(lambda c, _: c.sendall(response(body, status="400 Bad Request"))) as server:
        fail(call, server.base_url, receipt_email="customer@example.com")
    assert len(caplog.records) > 1
    for secret in (SECRET_KEY, "4242", "example.com"):
        assert secret not in caplog.text


def test_a_request_that_has_expired_is_not_sent() -> None:
    paysafer = Recorder()
    base_url = "https://api.paysafer.me/v1"
    expired = Send("GET", f"{base_url}/payments", [], b"", expires=time.monotonic())
    never_sent = NoResponse(sent=False, timed_out=True, reason="deadline")
    assert Connections(paysafer, base_url=base_url).send(expired) == never_sent
    assert asyncio.run(AsyncConnections(paysafer, base_url=base_url).send(expired)) == never_sent
    assert paysafer.requests == []
