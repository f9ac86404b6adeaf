"""The network, through httpx: the only module that knows it.

A request is handed straight to the transport. ``httpx.Client`` would double its cost
with what an API client has no use for: merging URLs, cookies, redirects, proxies of
the environment. Pools are made when first used, one for each process and, if
asynchronous, each event loop, for a connection that two of them share gives one the
answers of the other.
"""

from __future__ import annotations

import asyncio
import functools
import os
import ssl
import time
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, MutableMapping
from typing import Any

# httpx's own engine, which it requires: only its pool lets the network be bounded in time.
import httpcore
import httpx

from .answers import MAX_BYTES
from .bounds import BoundBackend, bounded
from .wire import Answer, NoAnswer, Reply, Send

__all__ = ["AsyncTransport", "AsyncWire", "SyncTransport", "SyncWire"]

SyncTransport = httpx.BaseTransport
AsyncTransport = httpx.AsyncBaseTransport

_FAILURES = (
    httpx.RequestError,
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
    OSError,
)
# Both libraries name them alike.
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
_MAX_CONNECTIONS = 100
_KEEPALIVE = 5.0
_SHORTEST = 0.001
_FIRST_ERROR = 400
_Kept = tuple["_AsyncPoolTransport", AsyncGenerator[None, None]]

_GRACE = 0.05
"""Seconds that the outer bound of an asynchronous attempt comes after those of its
phases, which know better what was under way."""


class SyncWire:
    """Sends over pooled connections, or over a transport that was given."""

    def __init__(self, transport: SyncTransport | None, *, is_tls: bool) -> None:
        if transport is not None and not isinstance(transport, httpx.BaseTransport):
            raise TypeError("transport must be an httpx.BaseTransport, such as HTTPTransport().")
        self._given = transport
        self._is_tls = is_tls
        self._made_in = os.getpid()
        self._pools: dict[int, _PoolTransport] = {}
        self._is_closed = False
        # A client that was forgotten, not closed, must not leave open sockets behind.
        weakref.finalize(self, _close_pools, self._pools).atexit = False

    def send(self, send: Send) -> Reply:
        """Send once, and read the answer, before the request expires."""
        if send.expires <= time.monotonic():
            return NoAnswer(sent=False, timed_out=True, reason="deadline")
        transport = self._transport()
        try:
            with bounded(send.expires):
                return self._exchange(transport, send)
        except _FAILURES as error:
            return _failure(error)

    def _exchange(self, transport: SyncTransport, send: Send) -> Reply:
        response = transport.handle_request(_request(send))
        body = bytearray()
        try:
            for chunk in response.stream:  # type: ignore[union-attr]  # a sync transport's is
                body += chunk
                if len(body) > MAX_BYTES:
                    break
                _refuse_expired(send)
        except _FAILURES:
            if response.status_code < _FIRST_ERROR:
                raise
            body.clear()  # half a text; the status alone says what happened
        finally:
            response.stream.close()  # type: ignore[union-attr]  # a sync transport's has it
        return _answer(response, bytes(body))

    def _transport(self) -> SyncTransport:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        if self._given is not None:
            return self._refuse_after_fork(self._given)
        pid = os.getpid()
        pool = self._pools.get(pid)
        # setdefault, not a lock: a lock that another thread holds at a fork stays locked.
        return pool or self._pools.setdefault(pid, _PoolTransport(_ssl_context(self._is_tls)))

    def _refuse_after_fork(self, transport: SyncTransport) -> SyncTransport:
        if isinstance(transport, httpx.HTTPTransport) and os.getpid() != self._made_in:
            raise RuntimeError(
                "This client's own transport was made before the process forked, so its "
                "connections belong to two processes. Make the client after the fork."
            )
        return transport

    def close(self) -> None:
        """Close the connections; a closed client can't be used any more."""
        self._is_closed = True
        _close_pools(self._pools)
        if self._given is not None:
            self._given.close()


class AsyncWire:
    """Sends over pooled connections of the running event loop, or over a given transport."""

    def __init__(self, transport: AsyncTransport | None, *, is_tls: bool) -> None:
        if transport is not None and not isinstance(transport, httpx.AsyncBaseTransport):
            raise TypeError(
                "transport must be an httpx.AsyncBaseTransport, such as AsyncHTTPTransport()."
            )
        self._given = transport
        self._is_tls = is_tls
        self._pools: dict[asyncio.AbstractEventLoop, _Kept] = {}
        self._is_closed = False

    async def send(self, send: Send) -> Reply:
        """Send once, and read the answer, before the request expires."""
        if send.expires <= time.monotonic():
            return NoAnswer(sent=False, timed_out=True, reason="deadline")
        transport = await self._transport()
        try:
            async with asyncio.timeout(send.expires - time.monotonic() + _GRACE):
                return await self._exchange(transport, send)
        except TimeoutError:
            return NoAnswer(sent=True, timed_out=True, reason="deadline")
        except _FAILURES as error:
            return _failure(error)

    async def _exchange(self, transport: AsyncTransport, send: Send) -> Reply:
        response = await transport.handle_async_request(_request(send))
        body = bytearray()
        try:
            async for chunk in response.stream:  # type: ignore[union-attr]  # an async one's is
                body += chunk
                if len(body) > MAX_BYTES:
                    break
                _refuse_expired(send)
        except _FAILURES:
            if response.status_code < _FIRST_ERROR:
                raise
            body.clear()  # half a text; the status alone says what happened
        finally:
            await response.stream.aclose()  # type: ignore[union-attr]  # an async one's has it
        return _answer(response, bytes(body))

    async def _transport(self) -> AsyncTransport:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        kept = self._pools.get(loop)
        return kept[0] if kept else await self._open(loop)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> _AsyncPoolTransport:
        for other in [other for other in self._pools if other.is_closed()]:
            self._pools.pop(other, None)
        pool = _AsyncPoolTransport(_ssl_context(self._is_tls))
        keeper = self._keep(loop, pool)
        self._pools[loop] = pool, keeper
        await anext(keeper)
        return pool

    async def _keep(
        self, loop: asyncio.AbstractEventLoop, pool: _AsyncPoolTransport
    ) -> AsyncGenerator[None, None]:
        # A loop that ends closes its asynchronous generators, and so this one the pool.
        try:
            yield
        finally:
            self._pools.pop(loop, None)
            await pool.aclose()

    async def close(self) -> None:
        """Close this loop's connections; a closed client can't be used any more."""
        self._is_closed = True
        kept = self._pools.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()
        if self._given is not None:
            await self._given.aclose()


class _PoolTransport(httpx.BaseTransport):
    """Like ``httpx.HTTPTransport``, on connections that heed the bound of their attempt."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.ConnectionPool(
            ssl_context,
            max_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEPALIVE,
            network_backend=BoundBackend(),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._pool.handle_request(_core_request(request))
        return _response(response, _Stream(response.stream))

    def close(self) -> None:
        self._pool.close()


class _AsyncPoolTransport(httpx.AsyncBaseTransport):
    """Like ``httpx.AsyncHTTPTransport``."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context, max_connections=_MAX_CONNECTIONS, keepalive_expiry=_KEEPALIVE
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._pool.handle_async_request(_core_request(request))
        return _response(response, _AsyncStream(response.stream))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Stream(httpx.SyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        self._stream.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        iterator: AsyncIterator[bytes] = self._stream.__aiter__()
        return iterator

    async def aclose(self) -> None:
        await self._stream.aclose()


class _TimeLeft(dict[str, float]):
    """The ``timeout`` extension, whose every look-up gives what is left by then."""

    def __init__(self, expires: float) -> None:
        self._expires = expires
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), self._left()))

    def get(self, key: str, default: Any = None) -> float:
        return self._left()

    def _left(self) -> float:
        return max(_SHORTEST, self._expires - time.monotonic())


def _request(send: Send) -> httpx.Request:
    return httpx.Request(
        send.method,
        send.url,
        headers=send.headers,
        content=send.body,
        extensions={"timeout": _TimeLeft(send.expires)},
    )


def _core_request(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        headers=request.headers.raw,
        content=request.stream,  # both kinds
        extensions=request.extensions,
    )


def _response(
    response: httpcore.Response, stream: httpx.SyncByteStream | httpx.AsyncByteStream
) -> httpx.Response:
    return httpx.Response(response.status, headers=response.headers, stream=stream)


def _answer(response: httpx.Response, body: bytes) -> Answer:
    return Answer(response.status_code, dict(response.headers), body)


def _failure(error: Exception) -> NoAnswer:
    # Its name alone: its text and its traceback may hold addresses, headers and bodies.
    names = {cls.__name__ for cls in type(error).__mro__}
    return NoAnswer(
        sent=not names & _NEVER_SENT,
        timed_out="TimeoutException" in names or isinstance(error, TimeoutError),
        reason=type(error).__name__,
    )


def _refuse_expired(send: Send) -> None:
    if send.expires <= time.monotonic():
        raise httpx.ReadTimeout("the answer took too long")


def _close_pools(pools: MutableMapping[int, _PoolTransport]) -> None:
    pool = pools.pop(os.getpid(), None)
    if pool is not None:
        pool.close()


@functools.cache
def _shared_ssl_context() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _ssl_context(is_tls: bool) -> ssl.SSLContext | None:
    # Reading the trusted certificates takes longer than a call: once for the process.
    return _shared_ssl_context() if is_tls else None
