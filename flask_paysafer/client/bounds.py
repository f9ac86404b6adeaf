"""Blocking connections that heed one moment for a whole attempt.

A socket's own timeout begins anew with every byte that drips in, so an answer in
drops would keep a caller for ever. Here each operation of a socket gets what is left
of the attempt's time. The classes take the part of httpcore's of the same kind.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

__all__ = ["BoundBackend", "bounded"]

_attempt = threading.local()


class ConnectError(OSError):
    """There is no such host."""


class ConnectTimeout(TimeoutError):  # noqa: N818 (httpcore's name for it)
    """The time was over before there was a connection."""


class ReadTimeout(TimeoutError):  # noqa: N818 (httpcore's name for it)
    """The time was over before the answer was whole."""


class WriteTimeout(TimeoutError):  # noqa: N818 (httpcore's name for it)
    """The time was over before the request was sent."""


@contextlib.contextmanager
def bounded(expires: float) -> Iterator[None]:
    """Let this thread's operations on connections end by ``expires`` (monotonic clock)."""
    _attempt.expires = expires
    try:
        yield
    finally:
        _attempt.expires = None


def _left(timeout: float | None, error: type[TimeoutError]) -> float | None:
    expires: float | None = getattr(_attempt, "expires", None)
    if expires is None:
        return timeout
    left = expires - time.monotonic()
    if left <= 0:
        raise error("the attempt's time is over")
    return left if timeout is None else min(timeout, left)


class Stream(Protocol):
    """A connection."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...

    def write(self, buffer: bytes, timeout: float | None = None) -> None: ...

    def close(self) -> None: ...

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream: ...

    def get_extra_info(self, info: str) -> Any: ...


class Backend(Protocol):
    """Opens connections."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream: ...


class BoundBackend:
    """Opens connections that heed :func:`bounded`.

    :param failures: What ``backend`` raises for an address that can't be reached.
    """

    def __init__(
        self,
        backend: Backend,
        failures: tuple[type[Exception], ...],
        *,
        resolve: Callable[..., list[Any]] = socket.getaddrinfo,
    ) -> None:
        self._backend = backend
        self._failures = failures
        self._resolve = resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> Stream:
        """Connect to the first address of the host that answers, within what is left."""
        failure: Exception = ConnectError(f"no address of {host} answers")
        for address in self._addresses(host, port):
            # One by one, for the backend would give each of them the whole time.
            left = _left(timeout, ConnectTimeout)
            try:
                return BoundStream(
                    self._backend.connect_tcp(address, port, left, local_address, socket_options)
                )
            except self._failures as error:
                failure = error
        raise failure

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            found = self._resolve(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise ConnectError("the host's name can't be resolved") from error
        return [sockaddr[0] for *_, sockaddr in found]


class BoundStream:
    """A connection whose operations heed :func:`bounded`."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.close = stream.close
        self.get_extra_info = stream.get_extra_info

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come, within what is left."""
        return self._stream.read(max_bytes, _left(timeout, ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write all, within what is left."""
        self._stream.write(buffer, _left(timeout, WriteTimeout))

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> Stream:
        """Shake hands, within what is left."""
        left = _left(timeout, ConnectTimeout)
        return BoundStream(self._stream.start_tls(ssl_context, server_hostname, left))
