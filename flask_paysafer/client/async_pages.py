"""What ``list()`` of an asynchronous client gives: a page when awaited, or a walk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

from ..pagination import AsyncPage
from ..resources import Resource

__all__ = ["Listing"]

R = TypeVar("R", bound=Resource)


class Listing(Generic[R]):
    """A list that was asked for.

    ``await client.payments.list()`` gives its first page;
    ``async for payment in client.payments.list()`` walks through all pages.
    """

    def __init__(self, fetch: Callable[[], Awaitable[AsyncPage[R]]]) -> None:
        self._fetch = fetch

    def __await__(self) -> Generator[Any, Any, AsyncPage[R]]:
        return self._fetch().__await__()

    def __aiter__(self) -> AsyncIterator[R]:
        return FirstPageLater(self._fetch)


class FirstPageLater(AsyncIterator[R]):
    """Walks through all pages; the first one is asked for with the first object."""

    def __init__(self, fetch: Callable[[], Awaitable[AsyncPage[R]]]) -> None:
        self._fetch = fetch
        self._walk: AsyncIterator[R] | None = None

    async def __anext__(self) -> R:
        if self._walk is None:
            self._walk = aiter(await self._fetch())
        return await anext(self._walk)
