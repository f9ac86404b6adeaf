from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

import pytest

from flask_paysafer.client.bounds import BoundBackend, bounded


class RefusedError(Exception):
    """What the backend below raises."""


class Backend:
    """Reaches only some addresses, and notes how long it was given for each."""

    def __init__(self, *reachable: str) -> None:
        self.reachable = reachable
        self.given: list[tuple[str, float | None]] = []

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Any:
        self.given.append((host, timeout))
        if host not in self.reachable:
            threading.Event().wait(0.02)
            raise RefusedError
        return Connection()


class Connection:
    """Notes how long it was given."""

    def __init__(self) -> None:
        self.given: list[float | None] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.given.append(timeout)
        return b""

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.given.append(timeout)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: Any = None) -> Any:
        self.given.append(timeout)
        return self

    def close(self) -> None:
        pass

    def get_extra_info(self, info: str) -> Any:
        return self if info == "connection" else None


def backend(inner: Backend, *addresses: str) -> BoundBackend:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        return [(None, None, None, "", (address, 443)) for address in addresses]

    return BoundBackend(inner, (RefusedError,), resolve=resolve)


def test_addresses_share_what_is_left_of_the_time() -> None:
    inner = Backend("2001:db8::2")
    with bounded(time.monotonic() + 5.0):
        backend(inner, "2001:db8::1", "2001:db8::2").connect_tcp("host", 443, 60.0)
    (first, first_given), (second, second_given) = inner.given
    assert (first, second) == ("2001:db8::1", "2001:db8::2")
    assert first_given is not None
    assert second_given is not None
    assert second_given < first_given <= 5.0


def test_no_further_address_is_tried_when_the_time_is_over() -> None:
    inner = Backend("b")
    with bounded(time.monotonic() + 0.01), pytest.raises(TimeoutError):
        backend(inner, "a", "b").connect_tcp("host", 443)
    assert len(inner.given) == 1


def test_the_last_failure_is_raised_when_no_address_answers() -> None:
    with pytest.raises(RefusedError):
        backend(Backend(), "a", "b").connect_tcp("host", 443)


@pytest.mark.parametrize("resolve", [lambda *_, **__: [], None])
def test_a_host_without_addresses_is_a_failure_to_connect(resolve: Any) -> None:
    def unknown(*_: Any, **__: Any) -> list[Any]:
        raise OSError("Name or service not known")

    with pytest.raises(OSError) as caught:
        BoundBackend(Backend(), (RefusedError,), resolve=resolve or unknown).connect_tcp(
            "host", 443
        )
    assert type(caught.value).__name__ == "ConnectError"


def test_every_operation_gets_what_is_left() -> None:
    connection = backend(Backend("a"), "a").connect_tcp("host", 443)
    inner = connection.get_extra_info("connection")
    with bounded(time.monotonic() + 5.0):
        connection.read(1, 60.0)
        connection.write(b"x", None)
        connection.start_tls(None, None, 1.0)  # type: ignore[arg-type]  # none is needed
    assert inner.given[0] <= 5.0
    assert inner.given[1] <= 5.0
    assert inner.given[2] == 1.0


def test_nothing_is_begun_when_the_time_is_over() -> None:
    connection = backend(Backend("a"), "a").connect_tcp("host", 443)
    with bounded(time.monotonic()):
        for operation in (lambda: connection.read(1), lambda: connection.write(b"x")):
            with pytest.raises(TimeoutError):
                operation()
    assert connection.get_extra_info("connection").given == []


def test_a_bound_is_of_its_thread_and_its_block_alone() -> None:
    connection = backend(Backend("a"), "a").connect_tcp("host", 443)
    with bounded(time.monotonic()):
        other = threading.Thread(target=lambda: connection.read(1, 7.0))
        other.start()
        other.join()
    connection.read(1, 8.0)
    assert connection.get_extra_info("connection").given == [7.0, 8.0]
