"""Pages of a list, and iterating over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

from .errors import APIError
from .resources import Resource

__all__ = ["AsyncPage", "AsyncPaginator", "CycleGuard", "Listed", "Page"]

T = TypeVar("T", bound=Resource)


class Listed(NamedTuple, Generic[T]):
    """One page as it was answered."""

    data: list[T]
    has_more: bool
    cursor: str | None
    """Where the next page is, if the response says so: a cursor or an address. Else it is
    found by the id of this page's last object."""
    is_backwards: bool
    """Whether the pages go to newer objects, as with ``ending_before``."""


class CycleGuard:
    """Notices a list that leads in a circle, in constant memory (Brent's method)."""

    __slots__ = ("_mark", "_power", "_steps")

    def __init__(self, mark: str | None = None, steps: int = 0, power: int = 1) -> None:
        self._mark, self._steps, self._power = mark, steps, power

    def step(self, cursor: str) -> CycleGuard:
        """Return the guard that has also seen ``cursor``.

        :raises APIError: if the list has come back to where it was.
        """
        if cursor == self._mark:
            raise APIError(
                "PaySafer's list came back to an object that was passed already; "
                "following it would never end.",
                outcome="rejected",
            )
        if self._steps + 1 == self._power:
            return CycleGuard(cursor, 0, 2 * self._power)
        return CycleGuard(self._mark, self._steps + 1, self._power)


class _Page(Generic[T]):
    """The common part of both kinds of page."""

    def __init__(
        self,
        listed: Listed[T],
        fetch: Callable[[str, CycleGuard], Any] | None,
        reached_by: str | None = None,
        guard: CycleGuard | None = None,
    ) -> None:
        self.data = listed.data
        """The objects of this page, newest first."""
        # Some APIs answer the last page's own cursor, or an empty page, at the end.
        is_end = not listed.data or (reached_by is not None and listed.cursor == reached_by)
        self.has_more = listed.has_more and not is_end
        """Whether there are more pages after this one."""
        self._cursor = listed.cursor
        self._is_backwards = listed.is_backwards
        self._fetch = fetch
        self._guard = guard or CycleGuard()

    def _request_next(self) -> Any:
        if not self.has_more:
            return None
        if self._fetch is None:
            raise RuntimeError("A page that was pickled has no client; call list() again.")
        cursor = self._cursor or self.data[0 if self._is_backwards else -1]["id"]
        return self._fetch(cursor, self._guard.step(cursor))

    def _in_order(self) -> list[T]:
        return self.data[::-1] if self._is_backwards else self.data

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fetch": None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.data)}, has_more={self.has_more}>"


class Page(_Page[T]):
    """One page of a list. Iterating goes through this page and all that follow.

    After an error the same iterator goes on where it was: ``next()`` asks for the
    page that failed again. With ``ending_before`` the pages go towards newer
    objects, and each page is gone through from its oldest.
    """

    def next_page(self) -> Page[T] | None:
        """Return the page after this one, or None after the last."""
        page: Page[T] | None = self._request_next()
        return page

    def __iter__(self) -> Iterator[T]:
        return _Iterator(self)


class AsyncPage(_Page[T]):
    """One page of a list. ``async for`` goes through this page and all that follow."""

    async def next_page(self) -> AsyncPage[T] | None:
        """Return the page after this one, or None after the last."""
        request: Awaitable[AsyncPage[T]] | None = self._request_next()
        return None if request is None else await request

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncIterator(self)


class AsyncPaginator(Generic[T]):
    """The result of an asynchronous client's ``list()``.

    ``await client.payments.list()`` gives the first page;
    ``async for payment in client.payments.list()`` goes through all pages.
    """

    def __init__(self, fetch: Callable[[], Awaitable[AsyncPage[T]]]) -> None:
        self._fetch = fetch

    def __await__(self) -> Generator[Any, Any, AsyncPage[T]]:
        return self._fetch().__await__()

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncIterator(None, self._fetch)


class _Iterator(Iterator[T]):
    # A class, not a generator: a generator is over after an error, and the list is not.
    def __init__(self, page: Page[T]) -> None:
        self._page: Page[T] | None = page
        self._items = iter(page._in_order())

    def __next__(self) -> T:
        while self._page is not None:
            for item in self._items:
                return item
            self._page = self._page.next_page()
            self._items = iter(self._page._in_order() if self._page else ())
        raise StopIteration


class _AsyncIterator(AsyncIterator[T]):
    def __init__(
        self,
        page: AsyncPage[T] | None,
        fetch_first: Callable[[], Awaitable[AsyncPage[T]]] | None = None,
    ) -> None:
        self._page = page
        self._fetch_first = fetch_first
        self._items = iter(page._in_order() if page else ())

    async def __anext__(self) -> T:
        if self._fetch_first is not None:
            self._page = await self._fetch_first()
            self._items = iter(self._page._in_order())
            self._fetch_first = None
        while self._page is not None:
            for item in self._items:
                return item
            self._page = await self._page.next_page()
            self._items = iter(self._page._in_order() if self._page else ())
        raise StopAsyncIteration
