"""Hosts with several addresses, of which some are unreachable; and bounds in time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.client.connecting import (
    Address,
    Addresses,
    ConnectError,
    ConnectTimeout,
    ReadTimeout,
    Stream,
    WriteTimeout,
    connect,
    connect_async,
)
from flask_paysafer.errors import APIConnectionError, APITimeoutError

from .driving import SECRET_KEY
from .servers import echo, serve

V4, V6 = socket.AF_INET, socket.AF_INET6


def resolving(*ends: tuple[int, str]) -> Callable[..., Any]:
    def resolve(_: str, port: int, **__: Any) -> list[Any]:
        return [(family, socket.SOCK_STREAM, 6, "", (host, port)) for family, host in ends]

    return resolve


def hosts(addresses: list[Address]) -> list[str]:
    return [address.sockaddr[0] for address in addresses]


@contextlib.contextmanager
def black_hole(host: str = "127.0.0.9", port: int = 0) -> Iterator[int]:
    """An address that neither accepts nor refuses: its queue is full."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.create_server((host, port), backlog=0))
        port = full.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield port


def connect_blocking(addresses: list[Address], seconds: float) -> tuple[Any, list[Address]]:
    return connect(addresses, time.monotonic() + seconds)


def connect_awaited(addresses: list[Address], seconds: float) -> tuple[Any, list[Address]]:
    return asyncio.run(connect_async(addresses, time.monotonic() + seconds))


Connect = Callable[[list[Address], float], tuple[Any, list[Address]]]


@pytest.fixture(params=[connect_blocking, connect_awaited], ids=["sync", "async"])
def connect_to(request: pytest.FixtureRequest) -> Connect:
    chosen: Connect = request.param
    return chosen


def test_families_take_turns() -> None:
    resolve = resolving((V6, "::1"), (V6, "::2"), (V4, "127.0.0.1"), (V4, "127.0.0.2"))
    found = Addresses("host", 443, resolve).find()
    assert hosts(found) == ["::1", "127.0.0.1", "::2", "127.0.0.2"]


def test_addresses_that_failed_come_last_and_the_latest_failure_at_the_end() -> None:
    addresses = Addresses("host", 443, resolving((V4, "a"), (V4, "b"), (V4, "c")))
    a, b, _ = addresses.find()
    addresses.note_failure([a])
    assert hosts(addresses.find()) == ["b", "c", "a"]
    addresses.note_failure([b])
    assert hosts(addresses.find()) == ["c", "a", "b"]
    addresses.note_winner(a, [])
    assert hosts(addresses.find()) == ["a", "c", "b"]


@pytest.mark.parametrize("resolve", [resolving(), None])
def test_a_host_without_addresses_is_a_failure_to_connect(resolve: Any) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise OSError("Name or service not known")

    with pytest.raises(ConnectError):
        Addresses("host", 443, resolve or unknown).find()


def test_an_address_that_does_not_answer_costs_a_moment_alone(connect_to: Connect) -> None:
    with black_hole() as port, socket.create_server(("127.0.0.1", port)):
        unreachable, reachable = (Address(V4, (h, port)) for h in ("127.0.0.9", "127.0.0.1"))
        began = time.monotonic()
        connected, tried = connect_to([unreachable, reachable], 10.0)
        connected.close()
        assert time.monotonic() - began < 2.0
        assert tried == [reachable, unreachable]


def test_an_address_that_refuses_costs_no_moment(connect_to: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        refusing, reachable = (Address(V4, (h, port)) for h in ("127.0.0.9", "127.0.0.1"))
        began = time.monotonic()
        connect_to([refusing] * 5 + [reachable], 10.0)[0].close()
        assert time.monotonic() - began < 1.0


def test_many_addresses_all_get_a_part_of_a_short_time(connect_to: Connect) -> None:
    with black_hole() as port, socket.create_server(("127.0.0.1", port)):
        unreachable, reachable = (Address(V4, (h, port)) for h in ("127.0.0.9", "127.0.0.1"))
        connect_to([unreachable] * 6 + [reachable], 1.0)[0].close()


def test_gives_up_when_the_time_is_over(connect_to: Connect) -> None:
    with black_hole() as port, pytest.raises(ConnectTimeout):
        connect_to([Address(V4, ("127.0.0.9", port))], 0.1)


def test_gives_up_when_every_address_refuses(connect_to: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ConnectError):
        connect_to([Address(V4, ("127.0.0.1", port)), Address(77, ("x", 1))], 5.0)


def call_blocking(base_url: str, **options: Any) -> str:
    with PaySaferClient(SECRET_KEY, base_url=base_url, **options) as client:
        return client.payments.retrieve("pay_1").id


def call_async(base_url: str, **options: Any) -> str:
    async def call() -> str:
        async with AsyncPaySaferClient(SECRET_KEY, base_url=base_url, **options) as client:
            return (await client.payments.retrieve("pay_1")).id

    return asyncio.run(call())


@pytest.fixture(params=[call_blocking, call_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Callable[..., str]:
    chosen: Callable[..., str] = request.param
    return chosen


def test_an_unreachable_address_costs_at_most_half_of_what_it_costs_httpx(
    call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With both clients' defaults. httpx gives the first address five seconds."""
    with serve(echo) as server:
        port = int(server.base_url.rsplit(":", 1)[1][:-3])
        monkeypatch.setattr(socket, "getaddrinfo", resolving((V4, "127.0.0.9"), (V4, "127.0.0.1")))
        with black_hole(port=port):
            began = time.monotonic()
            call(f"http://api.localhost:{port}/v1")
            took = time.monotonic() - began
    assert took <= 0.5 * httpx.Timeout(5.0).connect  # type: ignore[operator]  # it is set


def test_a_retry_begins_with_another_address(
    call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first address accepts, and then says nothing."""
    with serve(echo) as server:
        port = int(server.base_url.rsplit(":", 1)[1][:-3])
        monkeypatch.setattr(socket, "getaddrinfo", resolving((V4, "127.0.0.9"), (V4, "127.0.0.1")))
        with socket.create_server(("127.0.0.9", port)):
            assert call(f"http://api.localhost:{port}/v1", timeout=0.3) == "pay_1"


def test_a_client_says_that_nothing_was_sent_when_no_address_answers(
    call: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving((V4, "127.0.0.9")))
    with black_hole() as port, pytest.raises(APITimeoutError) as timeout:
        call(f"http://api.localhost:{port}/v1", timeout=0.2, max_retries=0)
    assert timeout.value.outcome == "not_sent"
    with pytest.raises(APIConnectionError) as refused:
        call(f"http://api.localhost:{port}/v1", max_retries=0)
    assert refused.value.outcome == "not_sent"


@pytest.fixture
def stream() -> Iterator[Stream]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Stream(ours, Address(V4, ("127.0.0.1", 1)))


def test_reading_ends_with_the_moment_however_the_bytes_arrive() -> None:
    ours, theirs = socket.socketpair()

    def drip() -> None:
        with contextlib.suppress(OSError):
            for _ in range(100):
                theirs.send(b"x")
                threading.Event().wait(0.05)

    with ours, theirs:
        dripping = threading.Thread(target=drip)
        dripping.start()
        stream = Stream(ours, Address(V4, ("127.0.0.1", 1)))
        stream.expires = time.monotonic() + 0.3
        with pytest.raises(ReadTimeout):
            list(iter(lambda: stream.read(1, 60.0), b""))
        theirs.close()
        dripping.join()


def test_nothing_is_begun_when_the_time_is_over(stream: Stream) -> None:
    stream.expires = time.monotonic()
    with pytest.raises(ReadTimeout):
        stream.read(1)
    stream.write(b"x")
    with pytest.raises(WriteTimeout):
        stream.read(1)


def test_writing_more_than_is_taken_ends_with_the_moment(stream: Stream) -> None:
    stream.expires = time.monotonic() + 0.1
    stream.write(b"x" * 10_000_000)
    with pytest.raises(WriteTimeout):
        stream.read(1)


def test_a_stream_without_a_bound_waits() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream = Stream(ours, Address(V4, ("127.0.0.1", 1)))
        assert stream.get_extra_info("is_readable") is False
        theirs.send(b"answer")
        assert stream.read(100) == b"answer"
        theirs.close()
        assert stream.get_extra_info("is_readable") is True
        assert stream.read(100) == b""
    assert stream.get_extra_info("is_readable") is True
