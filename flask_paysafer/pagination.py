"""Pages of a list, and walking through all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from .errors import APIError
from .resources import Resource

__all__ = ["AsyncPage", "Page"]

T = TypeVar("T", bound=Resource)


class Trail:
    """Notices a list that leads in a circle, in constant memory (Brent's method)."""

    __slots__ = ("_mark", "_power", "_steps")

    def __init__(self, mark: str | None = None, steps: int = 0, power: int = 1) -> None:
        self._mark, self._steps, self._power = mark, steps, power

    def step(self, cursor: str) -> Trail:
        """Return the trail with ``cursor`` on it.

        :raises APIError: if the walk has come back to where it was.
        """
        if cursor == self._mark:
            raise APIError(
                "PaySafer's list came back to an object that was passed already; "
                "following it would never end.",
                outcome="rejected",
            )
        if self._steps + 1 == self._power:
            return Trail(cursor, 0, 2 * self._power)
        return Trail(self._mark, self._steps + 1, self._power)


class _Listing(Generic[T]):
    """What a page is, whoever fetches the next one."""

    def __init__(
        self,
        data: list[T],
        *,
        has_more: bool,
        params: Mapping[str, Any],
        fetch: Callable[[Mapping[str, Any], Trail], Any] | None,
        trail: Trail | None = None,
    ) -> None:
        self.data = data
        """The objects of this page, newest first."""
        self.has_more = has_more
        """Whether there are more pages after this one."""
        self._params = params
        self._fetch = fetch
        self._trail = trail or Trail()

    def _request_next(self) -> Any:
        if not self.has_more:
            return None
        if self._fetch is None:
            raise RuntimeError("A page that was pickled has no client; call list() again.")
        if not self.data:
            raise APIError(
                "PaySafer answered an empty page and says that there are more, "
                "but not where they begin.",
                outcome="rejected",
            )
        cursor, last = ("ending_before", 0) if self._is_backwards else ("starting_after", -1)
        position = self.data[last]["id"]
        return self._fetch({**self._params, cursor: position}, self._trail.step(position))

    @property
    def _is_backwards(self) -> bool:
        return "ending_before" in self._params

    def _in_walking_order(self) -> list[T]:
        return self.data[::-1] if self._is_backwards else self.data

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_fetch": None}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.data)}, has_more={self.has_more}>"


class Page(_Listing[T]):
    """One page of a list. Iterating walks through this page and all that follow.

    After an error the same iterator goes on where it was: ``next()`` asks for the
    page that failed again. With ``ending_before`` the walk goes towards newer
    objects, and each page is walked from its oldest.
    """

    def next_page(self) -> Page[T] | None:
        """Return the page after this one, or None after the last."""
        page: Page[T] | None = self._request_next()
        return page

    def __iter__(self) -> Iterator[T]:
        return _Walk(self)


class AsyncPage(_Listing[T]):
    """One page of a list; ``async for`` walks through this page and all that follow."""

    async def next_page(self) -> AsyncPage[T] | None:
        """Return the page after this one, or None after the last."""
        request: Awaitable[AsyncPage[T]] | None = self._request_next()
        return None if request is None else await request

    def __aiter__(self) -> AsyncIterator[T]:
        return _AsyncWalk(self)


class _Walk(Iterator[T]):
    # A class, not a generator: a generator is over after an error, and the walk is not.
    def __init__(self, page: Page[T]) -> None:
        self._page: Page[T] | None = page
        self._items = iter(page._in_walking_order())

    def __next__(self) -> T:
        while self._page is not None:
            for item in self._items:
                return item
            self._page = self._page.next_page()
            self._items = iter(self._page._in_walking_order() if self._page else ())
        raise StopIteration


class _AsyncWalk(AsyncIterator[T]):
    def __init__(self, page: AsyncPage[T]) -> None:
        self._page: AsyncPage[T] | None = page
        self._items = iter(page._in_walking_order())

    async def __anext__(self) -> T:
        while self._page is not None:
            for item in self._items:
                return item
            self._page = await self._page.next_page()
            self._items = iter(self._page._in_walking_order() if self._page else ())
        raise StopAsyncIteration
