"""Connections, through httpx: the only module that knows it.

A request is handed straight to the engine of httpx, httpcore, or to the transport
that the merchant gave. ``httpx.Client`` would double its cost with what an API client
has no use for: merging URLs, cookies, redirects, proxies of the environment.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, cast
from urllib.parse import urlsplit

# httpx requires it, and only its own pools can be given a bound in time (see .bounds).
import httpcore
import httpx

from .bounds import BoundBackend
from .wire import NoAnswer, Send

__all__ = [
    "FAILURES",
    "AsyncConnections",
    "AsyncTransport",
    "Origin",
    "SyncConnections",
    "SyncTransport",
    "given_async_connections",
    "given_connections",
    "is_bound_to_process",
    "no_answer",
    "pooled_async_connections",
    "pooled_connections",
]

SyncTransport = httpx.BaseTransport
AsyncTransport = httpx.AsyncBaseTransport

FAILURES = (
    httpx.RequestError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
)
"""What connections raise when no answer comes."""

# Both libraries, and .bounds, name them alike.
_NEVER_SENT = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "LocalProtocolError",
        "PoolTimeout",
        "ProxyError",
        "UnsupportedProtocol",
    }
)
_UNREACHABLE = (httpcore.ConnectError, httpcore.ConnectTimeout)
_MAX_CONNECTIONS = 100
_KEEPALIVE = 30.0
_SHORTEST = 0.001
_Headers = Sequence[tuple[bytes, bytes]]


class ByteStream(Protocol):
    """The body of an answer, as it comes in."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class AsyncByteStream(Protocol):
    """The body of an answer, as it comes in."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...


class Opened(NamedTuple):
    """An answer whose body is still to be read."""

    status: int
    headers: _Headers
    stream: ByteStream


class AsyncOpened(NamedTuple):
    """An answer whose body is still to be read."""

    status: int
    headers: _Headers
    stream: AsyncByteStream


class SyncConnections(Protocol):
    """Where requests go."""

    def open(self, send: Send) -> Opened:
        """Send, and return when the answer begins."""

    def close(self) -> None:
        """Close all."""


class AsyncConnections(Protocol):
    """Where requests go."""

    async def open(self, send: Send) -> AsyncOpened:
        """Send, and return when the answer begins."""

    async def close(self) -> None:
        """Close all."""


class Origin:
    """The server that a base URL leads to, parsed once."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        self._scheme = parts.scheme.encode()
        self._host = (parts.hostname or "").encode("ascii")
        self._port = parts.port
        self._length = len(parts.scheme) + len("://") + len(parts.netloc)

    @property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The trusted certificates, where they are needed."""
        return _ssl_context() if self._scheme == b"https" else None

    def request(self, send: Send) -> httpcore.Request:
        """Return what the engine sends."""
        target = send.url[self._length :].encode("ascii")
        return httpcore.Request(
            send.method.encode("ascii"),
            httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in send.headers],
            content=send.body,
            extensions={"timeout": _TimeLeft(send.expires)},
        )


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    # Reading the trusted certificates takes longer than a call: once for the process.
    return httpx.create_ssl_context()


def pooled_connections(origin: Origin) -> SyncConnections:
    """Return connections that are kept and used again."""
    return _Pool(origin)


def pooled_async_connections(origin: Origin) -> AsyncConnections:
    """Return connections of the running event loop that are kept and used again."""
    return _AsyncPool(origin)


def given_connections(transport: SyncTransport) -> SyncConnections:
    """Return the way over a transport of the merchant's.

    :raises TypeError: if it is none.
    """
    if not isinstance(transport, httpx.BaseTransport):
        raise TypeError("transport must be an httpx.BaseTransport, such as HTTPTransport().")
    return _Given(transport)


def given_async_connections(transport: AsyncTransport) -> AsyncConnections:
    """Return the way over a transport of the merchant's.

    :raises TypeError: if it is none.
    """
    if not isinstance(transport, httpx.AsyncBaseTransport):
        raise TypeError(
            "transport must be an httpx.AsyncBaseTransport, such as AsyncHTTPTransport()."
        )
    return _AsyncGiven(transport)


def is_bound_to_process(transport: object) -> bool:
    """Tell whether a transport holds connections that a forked process must not use."""
    return isinstance(transport, httpx.HTTPTransport)


class _Pool:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        backend = BoundBackend(httpcore.SyncBackend(), _UNREACHABLE)
        self._pool = httpcore.ConnectionPool(
            origin.ssl_context,
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE,
            network_backend=cast("httpcore.NetworkBackend", backend),
        )

    def open(self, send: Send) -> Opened:
        response = self._pool.handle_request(self._origin.request(send))
        return Opened(response.status, response.headers, cast("ByteStream", response.stream))

    def close(self) -> None:
        self._pool.close()


class _AsyncPool:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._pool = httpcore.AsyncConnectionPool(
            origin.ssl_context, max_connections=_MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE
        )

    async def open(self, send: Send) -> AsyncOpened:
        response = await self._pool.handle_async_request(self._origin.request(send))
        stream = cast("AsyncByteStream", response.stream)
        return AsyncOpened(response.status, response.headers, stream)

    async def close(self) -> None:
        await self._pool.aclose()


class _Given:
    def __init__(self, transport: SyncTransport) -> None:
        self._transport = transport

    def open(self, send: Send) -> Opened:
        response = self._transport.handle_request(_request(send))
        return Opened(
            response.status_code, response.headers.raw, cast("ByteStream", response.stream)
        )

    def close(self) -> None:
        self._transport.close()


class _AsyncGiven:
    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def open(self, send: Send) -> AsyncOpened:
        response = await self._transport.handle_async_request(_request(send))
        stream = cast("AsyncByteStream", response.stream)
        return AsyncOpened(response.status_code, response.headers.raw, stream)

    async def close(self) -> None:
        await self._transport.aclose()


def _request(send: Send) -> httpx.Request:
    return httpx.Request(
        send.method,
        send.url,
        headers=send.headers,
        content=send.body,
        extensions={"timeout": _TimeLeft(send.expires)},
    )


class _TimeLeft(dict[str, float]):
    """The ``timeout`` extension; each look-up gives what is left of the attempt by then."""

    def __init__(self, expires: float) -> None:
        self._expires = expires
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), self._left()))

    def get(self, _key: str, _default: Any = None) -> float:
        return self._left()

    def _left(self) -> float:
        return max(_SHORTEST, self._expires - time.monotonic())


def no_answer(error: Exception) -> NoAnswer:
    """Return what a failure of the connections means.

    Its name alone is kept: its text and traceback may hold addresses, headers and bodies.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    return NoAnswer(
        sent=not names & _NEVER_SENT,
        timed_out="TimeoutException" in names or isinstance(error, TimeoutError),
        reason=type(error).__name__,
    )
