"""Lists, page by page, through both clients."""

from __future__ import annotations

import asyncio
import pickle
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer import errors
from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.pagination import Page
from flask_paysafer.resources import Payment

from .driving import SECRET_KEY


class Ledger(httpx.MockTransport):
    """A list of payments, newest first, as PaySafer pages it."""

    def __init__(self, count: int) -> None:
        self.ids = [f"pay_{number}" for number in range(count, 0, -1)]
        self.queries: list[dict[str, str]] = []
        self.refusals: list[httpx.Response] = []
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        query = dict(request.url.params)
        self.queries.append(query)
        if self.refusals:
            return self.refusals.pop(0)
        chosen, has_more = self._choose(query, int(query.get("limit", 10)))
        data = [{"id": one, "object": "payment", "amount": 1} for one in chosen]
        return httpx.Response(200, json={"object": "list", "data": data, "has_more": has_more})

    def _choose(self, query: dict[str, str], limit: int) -> tuple[list[str], bool]:
        if "ending_before" in query:
            newer = self.ids[: self.ids.index(query["ending_before"])]
            return newer[-limit:], len(newer) > limit
        start = self.ids.index(query["starting_after"]) + 1 if "starting_after" in query else 0
        return self.ids[start : start + limit], len(self.ids) > start + limit


def client(transport: httpx.MockTransport, **options: Any) -> PaySaferClient:
    return PaySaferClient(SECRET_KEY, transport=transport, **options)


def walk_blocking(transport: httpx.MockTransport, **params: Any) -> list[str]:
    return [payment.id for payment in client(transport).payments.list(**params)]


def walk_async(transport: httpx.MockTransport, **params: Any) -> list[str]:
    async def walk() -> list[str]:
        paysafer = AsyncPaySaferClient(SECRET_KEY, transport=transport)
        return [payment.id async for payment in paysafer.payments.list(**params)]

    return asyncio.run(walk())


def walk_awaited(transport: httpx.MockTransport, **params: Any) -> list[str]:
    async def walk() -> list[str]:
        paysafer = AsyncPaySaferClient(SECRET_KEY, transport=transport)
        return [payment.id async for payment in await paysafer.payments.list(**params)]

    return asyncio.run(walk())


Walk = Callable[..., list[str]]


@pytest.fixture(params=[walk_blocking, walk_async, walk_awaited], ids=["sync", "async", "awaited"])
def walk(request: pytest.FixtureRequest) -> Walk:
    chosen: Walk = request.param
    return chosen


def test_a_walk_goes_through_all_pages(walk: Walk) -> None:
    ledger = Ledger(25)
    assert walk(ledger) == ledger.ids
    assert ledger.queries == [{}, {"starting_after": "pay_16"}, {"starting_after": "pay_6"}]


def test_every_page_keeps_what_the_first_one_was_asked_for(walk: Walk) -> None:
    ledger = Ledger(5)
    walk(ledger, limit=2, created={"gte": 5})
    assert all(q["limit"] == "2" and q["created[gte]"] == "5" for q in ledger.queries)
    assert len(ledger.queries) == 3


def test_a_walk_can_begin_in_the_middle(walk: Walk) -> None:
    assert walk(Ledger(25), starting_after="pay_4") == ["pay_3", "pay_2", "pay_1"]


def test_a_walk_towards_newer_objects_goes_from_old_to_new(walk: Walk) -> None:
    assert walk(Ledger(9), ending_before="pay_2", limit=3) == [f"pay_{n}" for n in range(3, 10)]


def test_an_empty_list_ends_at_once(walk: Walk) -> None:
    assert walk(Ledger(0)) == []


def test_a_walk_waits_out_a_rate_limit_and_goes_on(walk: Walk) -> None:
    ledger = Ledger(12)
    ledger.refusals = [httpx.Response(429, headers={"Retry-After": "0"})]
    assert walk(ledger) == ledger.ids


def test_an_empty_page_is_the_last_one(walk: Walk) -> None:
    body = {"data": [], "has_more": True}
    assert walk(httpx.MockTransport(lambda _: httpx.Response(200, json=body))) == []


def test_a_list_that_would_never_end_is_an_error(walk: Walk) -> None:
    body = {"data": [{"id": "pay_1"}], "has_more": True}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    with pytest.raises(errors.APIError, match="came back to an object"):
        walk(transport)


@pytest.mark.parametrize("straight", [0, 1, 5])
@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_list_that_leads_in_a_circle_is_an_error(walk: Walk, straight: int, length: int) -> None:
    asked = 0

    def turn(_: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        assert asked < 10 * (straight + length)
        place = asked if asked <= straight else straight + (asked - straight) % length
        data = [{"id": f"pay_{place}"}]
        return httpx.Response(200, json={"data": data, "has_more": True})

    with pytest.raises(errors.APIError, match="would never end"):
        walk(httpx.MockTransport(turn))


@pytest.mark.parametrize(
    "body",
    [
        {"data": {}, "has_more": False},
        {"data": [], "has_more": "no"},
        {"data": []},
        {"data": [5], "has_more": False},
        {"data": [{"object": "payment"}], "has_more": False},
        {"id": "pay_1"},
        [],
    ],
)
def test_an_answer_that_is_no_list_is_an_error(walk: Walk, body: Any) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    with pytest.raises(errors.APIError, match="can't be used"):
        walk(transport)


def test_pages_are_asked_for_one_by_one() -> None:
    ledger = Ledger(4)
    first = client(ledger).payments.list(limit=2)
    assert isinstance(first, Page)
    assert isinstance(first.data[0], Payment)
    assert ([one.id for one in first.data], first.has_more) == (["pay_4", "pay_3"], True)
    assert len(ledger.queries) == 1
    second = first.next_page()
    assert second is not None
    assert ([one.id for one in second.data], second.has_more) == (["pay_2", "pay_1"], False)
    assert second.next_page() is None
    assert repr(first) == "<Page of 2, has_more=True>"


def test_pages_can_be_awaited_one_by_one() -> None:
    async def pages() -> list[list[str]]:
        paysafer = AsyncPaySaferClient(SECRET_KEY, transport=Ledger(3))
        first = await paysafer.payments.list(limit=2)
        second = await first.next_page()
        assert second is not None
        assert await second.next_page() is None
        return [[one.id for one in page.data] for page in (first, second)]

    assert asyncio.run(pages()) == [["pay_3", "pay_2"], ["pay_1"]]


def test_the_same_walk_goes_on_after_an_error() -> None:
    ledger = Ledger(4)
    walk = iter(client(ledger, max_retries=0).payments.list(limit=2))
    assert [next(walk).id, next(walk).id] == ["pay_4", "pay_3"]
    ledger.refusals = [httpx.Response(429), httpx.Response(500)]
    with pytest.raises(errors.RateLimitError):
        next(walk)
    with pytest.raises(errors.ServerError):
        next(walk)
    assert [one.id for one in walk] == ["pay_2", "pay_1"]
    assert next(walk, None) is None


def test_the_same_asynchronous_walk_goes_on_after_an_error() -> None:
    async def walk() -> list[str]:
        ledger = Ledger(4)
        paysafer = AsyncPaySaferClient(SECRET_KEY, transport=ledger, max_retries=0)
        steps = aiter(paysafer.payments.list(limit=2))
        ledger.refusals = [httpx.Response(429)]
        with pytest.raises(errors.RateLimitError):
            await anext(steps)
        ids = [(await anext(steps)).id, (await anext(steps)).id]
        ledger.refusals = [httpx.Response(429)]
        with pytest.raises(errors.RateLimitError):
            await anext(steps)
        return ids + [one.id async for one in steps]

    assert asyncio.run(walk()) == ["pay_4", "pay_3", "pay_2", "pay_1"]


def test_a_page_can_be_walked_twice() -> None:
    page = client(Ledger(3)).payments.list(limit=2)
    assert [one.id for one in page] == [one.id for one in page] == ["pay_3", "pay_2", "pay_1"]


def test_a_page_pickles_without_its_client() -> None:
    page = client(Ledger(4)).payments.list(limit=2)
    stored = pickle.dumps(page)
    assert SECRET_KEY.encode() not in stored
    again: Page[Payment] = pickle.loads(stored)
    assert again.data == page.data
    with pytest.raises(RuntimeError, match="call list"):
        again.next_page()


def test_a_thousand_payments_are_walked_in_constant_memory() -> None:
    def peak(walk: Iterator[Payment], steps: int) -> int:
        tracemalloc.reset_peak()
        for _ in range(steps):
            next(walk)
        return tracemalloc.get_traced_memory()[1]

    ledger = Ledger(1000)
    ledger.queries = _Forgetting()
    walk = iter(client(ledger).payments.list(limit=20))
    next(walk)
    tracemalloc.start()
    try:
        early = peak(walk, 200)
        late = peak(walk, 799)
    finally:
        tracemalloc.stop()
    assert late < 1.5 * early


class _Forgetting(list[dict[str, str]]):
    def append(self, _: dict[str, str]) -> None:
        """Keep nothing, for memory is what is measured."""
