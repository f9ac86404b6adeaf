"""Walk through the API's payments, newest first, without using up the rate limit.

The shop's customers share the limit with this walk: a fifth of it is left to them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...client import PaySaferClient
from ...errors import RateLimitError
from ...pagination import Page
from ...resources import Payment

RESERVE = 0.2
"""The part of the rate limit that is left to the shop."""

_PAGE = 100
_UNTOLD_WAIT = 10.0
_PAST_RESET = 0.5


class Look(NamedTuple):
    """A page of payments, and when it was asked for (unix seconds)."""

    payments: list[Payment]
    seen_at: int


class Walk:
    """One walk back to ``since``.

    :param since: Unix seconds.
    :param after: The id of the payment where an earlier walk stopped.
    """

    def __init__(
        self,
        client: PaySaferClient,
        *,
        since: int,
        after: str | None = None,
        sleep: Callable[[float], object] = time.sleep,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._since = since
        self._after = after
        self._sleep = sleep
        self._wall = wall

    def __iter__(self) -> Iterator[Look]:
        seen_at = int(self._wall())
        page = self._ask(self._first)
        while page is not None:
            yield Look(page.data, seen_at)
            seen_at = int(self._wall())
            page = self._ask(page.next_page)

    def _first(self) -> Page[Payment] | None:
        return self._client.payments.list(
            limit=_PAGE, created={"gte": self._since}, starting_after=self._after
        )

    def _ask(self, get: Callable[[], Page[Payment] | None]) -> Page[Payment] | None:
        while True:
            self._sleep_if_little_is_left()
            try:
                return get()
            except RateLimitError as error:
                self._sleep(error.retry_after or self._until_reset() or _UNTOLD_WAIT)

    def _sleep_if_little_is_left(self) -> None:
        known = self._client.rate_limit
        if known is not None and known.remaining <= known.limit * RESERVE:
            wait = self._until_reset()
            if wait:
                self._sleep(wait)

    def _until_reset(self) -> float:
        known = self._client.rate_limit
        if known is None or known.reset_at is None:
            return 0.0
        left = known.reset_at.timestamp() - self._wall()
        return left + _PAST_RESET if left > 0 else 0.0
