"""Connections that heed one moment for a whole attempt.

A socket's own timeout begins anew with every byte that drips in, so an answer in
drops would keep a caller for ever. Here each operation of a socket gets what is left
of the attempt's time.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

# httpx's own engine, which it requires; its backends are where time can be bounded.
import httpcore

__all__ = ["BoundBackend", "bounded"]

_attempt = threading.local()


@contextlib.contextmanager
def bounded(expires: float) -> Iterator[None]:
    """Let this thread's operations on connections end by ``expires`` (monotonic clock)."""
    _attempt.expires = expires
    try:
        yield
    finally:
        _attempt.expires = None


def _left(timeout: float | None, error: type[Exception]) -> float | None:
    expires: float | None = getattr(_attempt, "expires", None)
    if expires is None:
        return timeout
    left = expires - time.monotonic()
    if left <= 0:
        raise error("the attempt's time is over")
    return left if timeout is None else min(timeout, left)


class BoundBackend(httpcore.NetworkBackend):
    """Opens connections that heed :func:`bounded`."""

    def __init__(self) -> None:
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect, within what is left."""
        left = _left(timeout, httpcore.ConnectTimeout)
        return _BoundStream(
            self._backend.connect_tcp(host, port, left, local_address, socket_options)
        )


class _BoundStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = _left(timeout, httpcore.ConnectTimeout)
        return _BoundStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
