"""Send requests over connections that belong to the running event loop, and await them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from . import transport as network
from .answers import MAX_BYTES
from .wire import Answer, NoAnswer, Reply, Send, headers_of, is_clear_from_status

__all__ = ["AsyncWire"]

GRACE = 0.05
"""Seconds that the outer bound of an attempt comes after those of its phases (connecting,
reading …), which know better what was under way. It catches answers that drip."""

_Keeper = AsyncGenerator[None, None]


class AsyncWire:
    """Sends over pooled connections, or over a transport that was given.

    Pools are made when first used, one for each event loop: a connection can't leave
    the loop it was made in. They are closed when the loop ends.
    """

    def __init__(self, transport: network.AsyncTransport | None, *, base_url: str) -> None:
        self._origin = network.Origin(base_url)
        self._given = None if transport is None else network.given_async_connections(transport)
        self._pools: dict[asyncio.AbstractEventLoop, tuple[network.AsyncConnections, _Keeper]] = {}
        self._is_closed = False

    async def send(self, send: Send) -> Reply:
        """Send once, and read the answer, before the request expires."""
        left = send.expires - time.monotonic()
        if left <= 0:
            return NoAnswer(sent=False, timed_out=True, reason="deadline")
        connections = await self._connections()
        try:
            async with asyncio.timeout(left + GRACE):
                return await _exchange(connections, send)
        except network.FAILURES as error:
            return network.no_answer(error)

    async def _connections(self) -> network.AsyncConnections:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        kept = self._pools.get(loop)
        return kept[0] if kept else await self._open(loop)

    async def _open(self, loop: asyncio.AbstractEventLoop) -> network.AsyncConnections:
        for other in [other for other in self._pools if other.is_closed()]:
            self._pools.pop(other, None)
        pool = network.pooled_async_connections(self._origin)
        keeper = self._keep(loop, pool)
        self._pools[loop] = pool, keeper
        await anext(keeper)
        return pool

    async def _keep(
        self, loop: asyncio.AbstractEventLoop, pool: network.AsyncConnections
    ) -> _Keeper:
        # A loop that ends closes its asynchronous generators, and so this one the pool.
        try:
            yield
        finally:
            self._pools.pop(loop, None)
            await pool.close()

    async def close(self) -> None:
        """Close this loop's connections; a closed client can't be used any more."""
        self._is_closed = True
        kept = self._pools.get(asyncio.get_running_loop())
        if kept is not None:
            await kept[1].aclose()
        if self._given is not None:
            await self._given.close()


async def _exchange(connections: network.AsyncConnections, send: Send) -> Answer:
    opened = await connections.open(send)
    body = bytearray()
    try:
        async for chunk in opened.stream:
            body += chunk
            if len(body) > MAX_BYTES:
                break
            if send.expires <= time.monotonic():
                raise TimeoutError("the answer took too long")
    except network.FAILURES:
        if not is_clear_from_status(opened.status):
            raise
        body.clear()
    finally:
        await opened.stream.aclose()
    return Answer(opened.status, headers_of(opened.headers), bytes(body))
