"""Connections, through httpx: the only module that knows it.

A request goes to one httpx transport: the merchant's own, or the pool that is below.
``httpx.Client`` would double a call's cost with what an API client has no use for:
merging URLs, cookies, redirects, proxies of the environment. Its own pools can't be given
one bound in time, share an attempt's time badly among addresses, and lose slots when
asynchronous calls are cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import ssl
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, cast

import httpcore
import httpx

from . import connecting
from .connecting import Addresses, AsyncStream, ConnectTimeout, Stream
from .operation import AttemptResult, NoResponse, Response, Send, headers_of
from .responses import MAX_BYTES

__all__ = [
    "AsyncConnections",
    "AsyncPool",
    "AsyncTransport",
    "Connections",
    "Pool",
    "SyncTransport",
]

SyncTransport = httpx.BaseTransport
AsyncTransport = httpx.AsyncBaseTransport

MAX_CONNECTIONS = 100
KEEPALIVE = 30.0
"""Seconds after which an idle connection is not used again."""
GRACE = 0.05
"""Seconds that the outer bound of an asynchronous attempt comes after those of connecting,
which knows better what was under way."""

_FAILURES = (httpx.RequestError, httpcore.ProtocolError, OSError)
"""The errors of transports that mean that no complete response came."""

# All libraries name them alike.
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
_FIRST_ERROR = 400
_SHORTEST = 0.001


class Connections:
    """Sends requests over one transport, and blocks for the responses.

    Pools are made when first used, one for each process: on a connection that a parent
    and its child share, one gets the responses of the other.
    """

    def __init__(self, transport: SyncTransport | None, *, base_url: str) -> None:
        if not isinstance(transport, (SyncTransport, type(None))):
            raise TypeError("transport must be an httpx.BaseTransport, such as HTTPTransport().")
        self._base_url = base_url
        self._given = transport
        self._made_in = os.getpid() if isinstance(transport, httpx.HTTPTransport) else None
        self._pools: dict[int, Pool] = {}
        self._is_closed = False
        # A client that was forgotten, not closed, must not leave open sockets behind.
        weakref.finalize(self, _close_pool, self._pools).atexit = False

    def send(self, send: Send) -> AttemptResult:
        """Send once, and read the response, before the request expires."""
        if send.expires <= time.monotonic():
            return NoResponse(sent=False, timed_out=True, reason="deadline")
        transport = self._transport()
        try:
            return _exchange(transport, send)
        except _FAILURES as error:
            return _no_response(error)

    def _transport(self) -> SyncTransport:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        pid = os.getpid()
        if self._given is not None:
            if self._made_in not in {None, pid}:
                raise RuntimeError(
                    "This client's own transport was made before the process forked, so its "
                    "connections belong to two processes. Make the client after the fork."
                )
            return self._given
        # setdefault, not a lock: one that another thread holds at a fork is never released.
        return self._pools.get(pid) or self._pools.setdefault(pid, Pool(self._base_url))

    def close(self) -> None:
        """Close the connections; a closed client can't be used any more."""
        self._is_closed = True
        _close_pool(self._pools)
        if self._given is not None:
            self._given.close()


def _close_pool(pools: dict[int, Pool]) -> None:
    # Only this process's: a parent's are in use there, and its locks may be held.
    pool = pools.pop(os.getpid(), None)
    if pool is not None:
        pool.close()


def _exchange(transport: SyncTransport, send: Send) -> Response:
    response = transport.handle_request(_request(send))
    stream, body = cast("httpx.SyncByteStream", response.stream), bytearray()
    try:
        for chunk in stream:
            if not _add(body, chunk, send.expires):
                break
    except _FAILURES:
        if response.status_code < _FIRST_ERROR:
            raise
        body.clear()  # the status says what happened
    finally:
        stream.close()
    return Response(response.status_code, headers_of(response.headers.raw), bytes(body))


class AsyncConnections:
    """Sends requests over one transport, and awaits the responses.

    Pools are made when first used, one for each event loop: a connection can't leave
    the loop it was made in. They are closed when the loop ends.
    """

    def __init__(self, transport: AsyncTransport | None, *, base_url: str) -> None:
        if not isinstance(transport, (AsyncTransport, type(None))):
            raise TypeError(
                "transport must be an httpx.AsyncBaseTransport, such as AsyncHTTPTransport()."
            )
        self._base_url = base_url
        self._given = transport
        self._pools: dict[
            asyncio.AbstractEventLoop, tuple[AsyncPool, AsyncGenerator[None, None]]
        ] = {}
        self._is_closed = False

    async def send(self, send: Send) -> AttemptResult:
        """Send once, and read the response, before the request expires."""
        left = send.expires - time.monotonic()
        if left <= 0:
            return NoResponse(sent=False, timed_out=True, reason="deadline")
        transport = await self._transport()
        try:
            async with asyncio.timeout(left + GRACE):
                return await _exchange_async(transport, send)
        except _FAILURES as error:
            return _no_response(error)

    async def _transport(self) -> AsyncTransport:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        kept = self._pools.get(loop)
        return kept[0] if kept else await self._open(loop)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> AsyncTransport:
        for other in [other for other in self._pools if other.is_closed()]:
            self._pools.pop(other, None)
        pool = AsyncPool(self._base_url)
        keeper = self._keep(loop, pool)
        self._pools[loop] = pool, keeper
        await anext(keeper)
        return pool

    async def _keep(
        self, loop: asyncio.AbstractEventLoop, pool: AsyncPool
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


async def _exchange_async(transport: AsyncTransport, send: Send) -> Response:
    response = await transport.handle_async_request(_request(send))
    stream, body = cast("httpx.AsyncByteStream", response.stream), bytearray()
    try:
        async for chunk in stream:
            if not _add(body, chunk, send.expires):
                break
    except _FAILURES:
        if response.status_code < _FIRST_ERROR:
            raise
        body.clear()  # the status says what happened
    finally:
        await stream.aclose()
    return Response(response.status_code, headers_of(response.headers.raw), bytes(body))


def _add(body: bytearray, chunk: bytes, expires: float) -> bool:
    """Add a part of a response's body; return False if nothing more is wanted."""
    body += chunk
    if len(body) > MAX_BYTES:
        return False
    if expires <= time.monotonic():
        raise TimeoutError("the response took too long")
    return True


def _request(send: Send) -> httpx.Request:
    return httpx.Request(
        send.method,
        httpx.URL(send.url) if "?" in send.url else _parsed(send.url),
        headers=send.headers,
        # Not content=, which would go through all headers once more.
        stream=httpx.ByteStream(send.body),
        extensions={"timeout": _TimeLeft(send.expires)},
    )


# Most calls go to one of a few addresses, and parsing one takes long.
_parsed = functools.lru_cache(maxsize=64)(httpx.URL)


class _TimeLeft(dict[str, float]):
    """The ``timeout`` extension; each look-up gives what is left of the attempt by then."""

    def __init__(self, expires: float) -> None:
        self._expires = expires
        super().__init__(dict.fromkeys(("connect", "read", "write", "pool"), self._left()))

    def get(self, _key: str, _default: Any = None) -> float:
        return self._left()

    def _left(self) -> float:
        return max(_SHORTEST, self._expires - time.monotonic())


def _no_response(error: Exception) -> NoResponse:
    """Return the meaning of a transport's failure.

    Its name alone is kept: its text and traceback may hold addresses, headers and bodies.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    return NoResponse(
        sent=not names & _NEVER_SENT,
        timed_out="TimeoutException" in names or isinstance(error, TimeoutError),
        reason=type(error).__name__,
    )


class _Server:
    """The server that a base URL leads to."""

    def __init__(self, base_url: str) -> None:
        url = httpx.URL(base_url)
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        self.host = url.raw_host.decode("ascii")
        self.addresses = Addresses(self.host, port)
        self.origin = httpcore.Origin(url.raw_scheme, url.raw_host, port)
        self.ssl_context = _ssl_context() if url.scheme == "https" else None

    def request(self, request: httpx.Request) -> httpcore.Request:
        """Return the request as httpcore takes it."""
        url, origin = request.url, self.origin
        return httpcore.Request(
            request.method.encode("ascii"),
            httpcore.URL(
                scheme=origin.scheme, host=origin.host, port=origin.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    # Reading the trusted certificates takes longer than a call: once for the process.
    context = httpx.create_ssl_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _expires(request: httpx.Request) -> float:
    left: float = request.extensions["timeout"].get("pool")
    return time.monotonic() + left


class Pool(SyncTransport):
    """Connections to one server that are kept and used again."""

    def __init__(self, base_url: str) -> None:
        self._server = _Server(base_url)
        self._idle: deque[tuple[httpcore.HTTP11Connection, Stream]] = deque()
        self._slots = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._is_closed = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request. Its connection is free again once the response is closed."""
        expires = _expires(request)
        if not self._slots.acquire(timeout=max(0.0, expires - time.monotonic())):
            raise httpx.PoolTimeout("All connections are in use.")
        try:
            connection, stream = self._take_idle() or self._connect(expires)
            stream.expires = expires
            try:
                response = connection.handle_request(self._server.request(request))
            except BaseException:
                self._drop(connection, stream)
                raise
        except BaseException:
            self._slots.release()
            raise
        body = _Body(self, connection, stream, cast("Iterable[bytes]", response.stream))
        return httpx.Response(response.status, headers=response.headers, stream=body)

    def _take_idle(self) -> tuple[httpcore.HTTP11Connection, Stream] | None:
        with contextlib.suppress(IndexError):  # another thread was faster
            while True:
                kept = self._idle.pop()
                if not kept[0].has_expired():
                    return kept
                kept[0].close()
        return None

    def _connect(self, expires: float) -> tuple[httpcore.HTTP11Connection, Stream]:
        server = self._server
        addresses = server.addresses.find()
        try:
            connected, (winner, *others) = connecting.connect(addresses, expires)
            server.addresses.note_winner(winner, others)
            stream = Stream(connected, winner)
            stream.expires = expires
            try:
                if server.ssl_context is not None:
                    stream.start_tls(server.ssl_context, server.host)
            except BaseException:
                stream.close()
                raise
        except OSError:
            server.addresses.note_failure(addresses[:1])
            raise
        made = httpcore.HTTP11Connection(
            server.origin, cast("httpcore.NetworkStream", stream), keepalive_expiry=KEEPALIVE
        )
        return made, stream

    def _drop(self, connection: httpcore.HTTP11Connection, stream: Stream) -> None:
        self._server.addresses.note_failure([stream.address])
        connection.close()

    def _release(self, connection: httpcore.HTTP11Connection, stream: Stream) -> None:
        if connection.is_idle() and not self._is_closed:
            self._idle.append((connection, stream))
            self._close_expired()
        else:
            connection.close()
        self._slots.release()

    def _close_expired(self) -> None:
        # The one used last is used next, so those of a busier time expire at the other end.
        with contextlib.suppress(IndexError):
            while len(self._idle) > 1 and self._idle[0][0].has_expired():
                self._idle.popleft()[0].close()

    def close(self) -> None:
        """Close the connections that are idle; the others close after their response."""
        self._is_closed = True
        while self._idle:
            self._idle.pop()[0].close()


class _Body(httpx.SyncByteStream):
    """A response's body. Closing it returns the connection to its pool."""

    def __init__(
        self,
        pool: Pool,
        connection: httpcore.HTTP11Connection,
        stream: Stream,
        content: Iterable[bytes],
    ) -> None:
        self._pool, self._connection, self._stream = pool, connection, stream
        self._content: Any = content
        self._is_open = True

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._content
        except Exception:
            self._pool._drop(self._connection, self._stream)
            raise

    def close(self) -> None:
        """See :class:`httpx.SyncByteStream`."""
        if self._is_open:
            self._is_open = False
            try:
                self._content.close()
            finally:
                self._pool._release(self._connection, self._stream)


class AsyncPool(AsyncTransport):
    """Connections of one event loop to one server that are kept and used again.

    However a call ends, cancelled or in time, its slot is free again: nothing is awaited
    between its end and the release.
    """

    def __init__(self, base_url: str) -> None:
        self._server = _Server(base_url)
        self._idle: deque[tuple[httpcore.AsyncHTTP11Connection, AsyncStream]] = deque()
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._is_closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request. Its connection is free again once the response is closed."""
        expires = _expires(request)
        await self._take_slot(expires)
        try:
            connection, stream = self._take_idle() or await self._connect(expires)
            try:
                response = await connection.handle_async_request(self._server.request(request))
            except BaseException:
                self._drop(stream)
                raise
        except BaseException:
            self._slots.release()
            raise
        body = _AsyncBody(self, connection, stream, cast("AsyncIterable[bytes]", response.stream))
        return httpx.Response(response.status, headers=response.headers, stream=body)

    async def _take_slot(self, expires: float) -> None:
        try:
            async with asyncio.timeout(expires - time.monotonic()):
                await self._slots.acquire()
        except TimeoutError:
            raise httpx.PoolTimeout("All connections are in use.") from None

    def _take_idle(self) -> tuple[httpcore.AsyncHTTP11Connection, AsyncStream] | None:
        while self._idle:
            kept = self._idle.pop()
            if not kept[0].has_expired():
                return kept
            kept[1].abort()
        return None

    async def _connect(self, expires: float) -> tuple[httpcore.AsyncHTTP11Connection, AsyncStream]:
        server, addresses = self._server, []
        try:
            async with asyncio.timeout(expires - time.monotonic()):
                loop = asyncio.get_running_loop()
                addresses = await loop.run_in_executor(None, server.addresses.find)
                connected, (winner, *others) = await connecting.connect_async(addresses, expires)
                server.addresses.note_winner(winner, others)
                stream = await AsyncStream.open(connected, winner, server.ssl_context, server.host)
        except OSError as error:  # a TimeoutError is one
            server.addresses.note_failure(addresses[:1])
            if isinstance(error, TimeoutError):
                raise ConnectTimeout("the time was over before there was a connection") from None
            raise
        made = httpcore.AsyncHTTP11Connection(
            server.origin, cast("httpcore.AsyncNetworkStream", stream), keepalive_expiry=KEEPALIVE
        )
        return made, stream

    def _drop(self, stream: AsyncStream) -> None:
        self._server.addresses.note_failure([stream.address])
        stream.abort()

    def _release(self, connection: httpcore.AsyncHTTP11Connection, stream: AsyncStream) -> None:
        if connection.is_idle() and not self._is_closed:
            self._idle.append((connection, stream))
            while len(self._idle) > 1 and self._idle[0][0].has_expired():
                self._idle.popleft()[1].abort()
        else:
            stream.abort()
        self._slots.release()

    async def aclose(self) -> None:
        """Close the connections that are idle; the others close after their response."""
        self._is_closed = True
        while self._idle:
            self._idle.pop()[1].abort()
        await asyncio.sleep(0)  # the loop closes the sockets in its next turn


class _AsyncBody(httpx.AsyncByteStream):
    """A response's body. Closing it returns the connection to its pool."""

    def __init__(
        self,
        pool: AsyncPool,
        connection: httpcore.AsyncHTTP11Connection,
        stream: AsyncStream,
        content: AsyncIterable[bytes],
    ) -> None:
        self._pool, self._connection, self._stream = pool, connection, stream
        self._content: Any = content
        self._is_open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content:
                yield chunk
        except Exception:
            self._pool._drop(self._stream)
            raise

    async def aclose(self) -> None:
        """See :class:`httpx.AsyncByteStream`."""
        if self._is_open:
            self._is_open = False
            try:
                await self._content.aclose()
            finally:
                self._pool._release(self._connection, self._stream)
