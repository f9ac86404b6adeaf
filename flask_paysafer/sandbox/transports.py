"""Reach a sandbox in process, as httpx does over a network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


def transport(app: WSGIApplication) -> httpx.WSGITransport:
    """Return a transport for ``httpx.Client`` and ``PaySaferClient``."""
    return httpx.WSGITransport(app=app)


class AsyncTransport(httpx.AsyncBaseTransport):
    """The same for ``httpx.AsyncClient``; each request runs in a thread of its own."""

    def __init__(self, app: WSGIApplication) -> None:
        self._transport = transport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request out."""
        await request.aread()
        return await asyncio.to_thread(self._exchange, request)

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        plain = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.content
        )
        answer = self._transport.handle_request(plain)
        content = answer.read()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)
