"""Connect to a host that has several addresses, and keep each attempt's time.

Connecting follows RFC 8305 ("happy eyeballs"): the addresses' families alternate, and the
next address is tried when the one before has not answered within a moment, while that one
goes on trying. So an address that is unreachable costs a quarter of a second, not the
whole time of an attempt. Addresses that failed come last in the next attempt.

A socket's own timeout begins anew with every byte that arrives, so a slow response could
keep a caller for ever. Here every operation gets what is left of one moment.

The streams take the part of httpcore's of the same kind.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import select
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from typing import Any, NamedTuple

__all__ = [
    "Address",
    "Addresses",
    "AsyncStream",
    "ConnectError",
    "ConnectTimeout",
    "Stream",
    "connect",
    "connect_async",
]

STAGGER = 0.25
"""Seconds that an address has before the next one is tried as well."""
_MAX_BUFFERED = 256 * 1024
_UNDER_WAY = frozenset({0, 10035, 36, 115})  # done, or WSAEWOULDBLOCK and EINPROGRESS (BSD, Linux)


class ConnectError(OSError):
    """There is no connection to the host."""


class ConnectTimeout(TimeoutError):  # noqa: N818 (httpx's name for it)
    """The time was over before there was a connection."""


class ReadError(OSError):
    """The connection broke before the response was complete."""


class ReadTimeout(TimeoutError):  # noqa: N818 (httpx's name for it)
    """The time was over before the response was complete."""


class WriteTimeout(TimeoutError):  # noqa: N818 (httpx's name for it)
    """The time was over before the request was sent."""


class Address(NamedTuple):
    """One address of a host."""

    family: int
    sockaddr: Any


class Addresses:
    """The addresses of one host, in the order in which they are tried."""

    def __init__(self, host: str, port: int, resolve: Callable[..., Any] | None = None) -> None:
        self.host = host
        self._port = port
        self._resolve = resolve or socket.getaddrinfo
        self._failures: dict[Address, int] = {}
        self._count = 0

    def find(self) -> list[Address]:
        """Look the addresses up. This blocks.

        :raises ConnectError: if there are none.
        """
        try:
            found = self._resolve(self.host, self._port, type=socket.SOCK_STREAM)
        except OSError:
            raise ConnectError("the host's name can't be resolved") from None
        addresses = list(dict.fromkeys(Address(family, end) for family, *_, end in found))
        if not addresses:
            raise ConnectError("the host has no address")
        return sorted(_alternate(addresses), key=lambda one: self._failures.get(one, 0))

    def note_failure(self, addresses: Iterable[Address]) -> None:
        """Let the addresses be tried last from now on."""
        self._count += 1
        self._failures.update(dict.fromkeys(addresses, self._count))

    def note_winner(self, winner: Address, others: Iterable[Address]) -> None:
        """Let the addresses that were slower than the winner be tried after it."""
        self._failures.pop(winner, None)
        self.note_failure(others)


def _alternate(addresses: list[Address]) -> list[Address]:
    """Let the families take turns; the resolver's first address stays the first."""
    first = addresses[0].family
    same = [one for one in addresses if one.family == first]
    others = [one for one in addresses if one.family != first]
    return [one for one in chain.from_iterable(zip_longest(same, others)) if one is not None]


def _interval(addresses: list[Address], expires: float) -> float:
    """Return the seconds between two addresses, so that all get a part of the time."""
    return min(STAGGER, max(0.0, expires - time.monotonic()) / (len(addresses) + 1))


def connect(addresses: list[Address], expires: float) -> tuple[socket.socket, list[Address]]:
    """Return a connection to the first address that answers, and the addresses tried for it.

    :param expires: The moment, by the monotonic clock, to give up at.
    :raises ConnectError: if no address can be reached.
    :raises ConnectTimeout: if none answers in time.
    """
    with _Race(addresses, expires) as race:
        return race.run()


class _Race:
    """Connections that are being made at once."""

    def __init__(self, addresses: list[Address], expires: float) -> None:
        self._waiting = deque(addresses)
        self._expires = expires
        self._interval = _interval(addresses, expires)
        self._selector = selectors.DefaultSelector()
        self._tried: list[Address] = []
        self._next_start = 0.0

    def __enter__(self) -> _Race:
        return self

    def __exit__(self, *_: object) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]  # they are sockets
        self._selector.close()

    def run(self) -> tuple[socket.socket, list[Address]]:
        while (now := time.monotonic()) < self._expires:
            if self._waiting and now >= self._next_start:
                self._start(self._waiting.popleft())
                self._next_start = now + self._interval
            if not self._selector.get_map():
                self._next_start = 0.0
                if not self._waiting:
                    raise ConnectError("no address of the host answers")
                continue
            until = min(self._expires, self._next_start if self._waiting else math.inf)
            for key, _ in self._selector.select(max(0.0, until - now)):
                winner = self._finish(key)
                if winner is not None:
                    return winner, [key.data, *(one for one in self._tried if one != key.data)]
        raise ConnectTimeout("no address of the host answered in time")

    def _start(self, address: Address) -> None:
        self._tried.append(address)
        with contextlib.suppress(OSError):  # such as a family that this machine lacks
            started = _new_socket(address)
            if started.connect_ex(address.sockaddr) in _UNDER_WAY:
                self._selector.register(started, selectors.EVENT_WRITE, address)
            else:
                started.close()

    def _finish(self, key: selectors.SelectorKey) -> socket.socket | None:
        finished: socket.socket = key.fileobj  # type: ignore[assignment]  # they are sockets
        self._selector.unregister(finished)
        if finished.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            return finished
        finished.close()
        self._next_start = 0.0  # the next address need not wait
        return None


def _new_socket(address: Address) -> socket.socket:
    made = socket.socket(address.family, socket.SOCK_STREAM)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


async def connect_async(
    addresses: list[Address], expires: float
) -> tuple[socket.socket, list[Address]]:
    """Do what :func:`connect` does, on the running event loop."""
    waiting, interval = deque(addresses), _interval(addresses, expires)
    tried: list[Address] = []
    tasks: dict[asyncio.Task[socket.socket], Address] = {}
    try:
        while tasks or waiting:
            left = expires - time.monotonic()
            if left <= 0:
                raise ConnectTimeout("no address of the host answered in time")
            if waiting:
                tried.append(waiting.popleft())
                tasks[asyncio.create_task(_connect_to(tried[-1]))] = tried[-1]
            pause = min(interval, left) if waiting else left
            done, _ = await asyncio.wait(tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                address = tasks.pop(task)
                if task.exception() is None:
                    return task.result(), [address, *(one for one in tried if one != address)]
    finally:
        for task in tasks:
            task.cancel()
            task.add_done_callback(_close_result)
    raise ConnectError("no address of the host answers")


async def _connect_to(address: Address) -> socket.socket:
    made = _new_socket(address)
    try:
        await asyncio.get_running_loop().sock_connect(made, address.sockaddr)
    except BaseException:
        made.close()
        raise
    return made


def _close_result(task: asyncio.Task[socket.socket]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()


class Stream:
    """A blocking connection. All its operations end by ``expires`` (monotonic clock)."""

    def __init__(self, connected: socket.socket, address: Address) -> None:
        self._socket = connected
        self._outgoing = b""
        self.address = address
        self.expires = math.inf

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Encrypt what follows."""
        try:
            self._socket.settimeout(self._left(ConnectTimeout))
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        except ConnectTimeout:
            raise
        except TimeoutError:
            raise ConnectTimeout("the handshake took too long") from None
        except OSError:
            raise ConnectError("the handshake failed") from None

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived; empty if the other side has closed."""
        if self._outgoing:
            self._flush()
        try:
            self._socket.settimeout(self._left(ReadTimeout))
            return self._socket.recv(max_bytes)
        except ReadTimeout:
            raise
        except TimeoutError:
            raise ReadTimeout("the response took too long") from None
        except OSError:
            raise ReadError("the connection broke") from None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send what is given with the next :meth:`read`: head and body in one packet."""
        self._outgoing += buffer

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, b""
        try:
            while outgoing:
                self._socket.settimeout(self._left(WriteTimeout))
                outgoing = outgoing[self._socket.send(outgoing) :]
        except WriteTimeout:
            raise
        except TimeoutError:
            raise WriteTimeout("the request took too long") from None
        except OSError:
            # A server may refuse, and close, before it has read all: reading will tell.
            return

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def get_extra_info(self, info: str) -> Any:
        """Return whether something has arrived, for ``is_readable``."""
        return info == "is_readable" and _is_readable(self._socket)

    def _left(self, error: type[TimeoutError]) -> float | None:
        if self.expires == math.inf:
            return None
        left = self.expires - time.monotonic()
        if left <= 0:
            raise error("the attempt's time is over")
        return left


def _is_readable(one: socket.socket) -> bool:
    if one.fileno() < 0:
        return True
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(one, select.POLLIN)
        return bool(poll.poll(0))
    return bool(select.select([one], [], [], 0)[0])


class AsyncStream(asyncio.Protocol):
    """A connection of an event loop."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._transport: Any = None
        self._outgoing = b""
        self._buffer = bytearray()
        self._is_over = False
        self._failure: Exception | None = None
        self._arrived = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()

    @classmethod
    async def open(
        cls, connected: socket.socket, address: Address, context: ssl.SSLContext | None, host: str
    ) -> AsyncStream:
        """Return the stream of a connection, encrypted if there is a context."""
        made = cls(address)
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: made,
                sock=connected,
                ssl=context,
                server_hostname=host if context else None,
            )
        except OSError:
            connected.close()
            raise ConnectError("the handshake failed") from None
        except BaseException:
            connected.close()
            raise
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self._buffer += data
        self._arrived.set()
        if len(self._buffer) > _MAX_BUFFERED:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """See :class:`asyncio.Protocol`."""
        self._is_over = True
        self._arrived.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._is_over = True
        self._failure = exc
        self._arrived.set()
        self._may_write.set()

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._may_write.clear()

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._may_write.set()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's)
        """Return what has arrived; empty if the other side has closed."""
        if self._outgoing:
            self._transport.write(self._outgoing)
            self._outgoing = b""
            await self._may_write.wait()
        await self._arrived.wait()
        if not self._buffer and self._failure is not None:
            raise ReadError("the connection broke")
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        if not self._buffer and not self._is_over:
            self._arrived.clear()
            self._transport.resume_reading()
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send what is given with the next :meth:`read`: head and body in one packet."""
        self._outgoing += buffer

    async def aclose(self) -> None:
        """Close the connection."""
        self.abort()

    def abort(self) -> None:
        """Close the connection without waiting for anything."""
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Return whether something has arrived, for ``is_readable``."""
        return info == "is_readable" and (bool(self._buffer) or self._is_over)
