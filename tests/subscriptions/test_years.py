"""Years of random subscriptions, compared with a plain model of when periods begin.

The model is ``dateutil``'s calendar and a few sentences of the contract. Runs, outages,
pauses, card changes, declines, lost answers and cancellations come in any order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.relativedelta import relativedelta
from dateutil.tz import resolve_imaginary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_paysafer.state import get_state

from .conftest import Shop

EVERY = {
    "1 month": relativedelta(months=1),
    "3 months": relativedelta(months=3),
    "1 year": relativedelta(years=1),
    "2 weeks": relativedelta(weeks=2),
    "10 days": relativedelta(days=10),
}
ACTIONS = ("run", "run", "run", "run", "outage", "pause", "resume", "change_card", "retry")
OUTCOMES = ("ok", "ok", "ok", "ok", "insufficient_funds", "lost_card", "lost")


@contextmanager
def shop_with(**terms: Any) -> Iterator[Shop]:
    with TemporaryDirectory() as folder:
        shop = Shop(Path(folder), url="sqlite://", **terms)
        yield shop
        get_state(shop.app).inbox.database.engine.dispose()


def begins(anchor: datetime, every: str, zone: str, number: int) -> datetime:
    """Return when a period begins, by the model."""
    local = anchor.astimezone(ZoneInfo(zone))
    step = EVERY[every] * (number - 1)
    if number == 1:
        return local
    naive = local.replace(tzinfo=None) + step
    found: datetime = resolve_imaginary(naive.replace(tzinfo=ZoneInfo(zone)))
    return found


def check(shop: Shop, anchor: datetime, every: str, zone: str) -> None:
    found = shop.subscriptions.retrieve("s1")
    periods = list(reversed(shop.subscriptions.periods("s1")))
    assert [one.number for one in periods] == list(range(1, len(periods) + 1))
    for one in periods:
        assert one.start == begins(anchor, every, zone, one.number)
        assert one.end == begins(anchor, every, zone, one.number + 1)
        assert one.start <= shop.now
    charged = Counter(number for _, number in shop.api.charged())
    assert all(count == 1 for count in charged.values()), "a period was charged twice"
    paid = {str(one.number) for one in periods if one.state == "paid"}
    unsettled = {str(one.number) for one in periods if one.state == "due"}
    assert paid <= set(charged), "a paid period has no charge"
    assert set(charged) <= paid | unsettled, "a charge has no period"
    assert all(one.reason for one in periods if one.state in ("skipped", "unpaid"))
    check_events(shop, periods, found.state)


def check_events(shop: Shop, periods: list[Any], state: str) -> None:
    told = Counter(shop.events)
    assert all(count == 1 for count in told.values()), "an event was written twice"
    served = [number for kind, number in shop.events if kind in ("started", "renewed")]
    assert sorted(number for number in served if number is not None) == [
        one.number for one in periods if one.state in ("paid", "free")
    ]
    assert [kind for kind, _ in shop.events].count("started") == bool(served)
    assert ("canceled" in {kind for kind, _ in shop.events}) == (state == "canceled")


def perform(shop: Shop, action: str, card: Callable[[], str]) -> None:
    found = shop.subscriptions.retrieve("s1")
    if action == "outage" or (found.state == "canceled" and action != "run"):
        return
    if action in ("pause", "resume", "retry"):
        getattr(shop.subscriptions, action)("s1")
    elif action == "change_card":
        shop.subscriptions.change_card("s1", card())
    shop.run()


def live_through(
    terms: dict[str, str], steps: list[tuple[str, int]], outcomes: list[str], start: datetime
) -> None:
    with shop_with(**terms) as shop:
        left = iter(outcomes)
        shop.now = start

        def card() -> str:
            name = f"pm_{len(shop.api.cards)}"
            shop.api.cards[name] = lambda _: next(left, "ok")
            return name

        shop.create(payment_method=card())
        canceled_at = None
        for action, hours in steps:
            shop.now += timedelta(hours=hours)
            perform(shop, action, card)
            check(shop, start, terms["every"], terms["tz"])
            found = shop.subscriptions.retrieve("s1")
            if found.state == "canceled":
                canceled_at = canceled_at or len(shop.api.charges)
                assert len(shop.api.charges) == canceled_at, "charged after it was canceled"


cases = given(
    terms=st.fixed_dictionaries(
        {
            "every": st.sampled_from(sorted(EVERY)),
            "tz": st.sampled_from(["UTC", "Asia/Dubai", "Europe/Berlin", "America/New_York"]),
            "at_end": st.sampled_from(["cancel", "past_due", "pause"]),
            "catch_up": st.sampled_from(["latest", "all"]),
        }
    ),
    steps=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(1, 24 * 40)), min_size=5, max_size=40
    ),
    outcomes=st.lists(st.sampled_from(OUTCOMES), max_size=30),
    start=st.integers(1_700_000_000, 1_900_000_000).map(
        lambda seconds: datetime.fromtimestamp(seconds, UTC)
    ),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@cases
def test_years_of_any_subscription_agree_with_the_model(
    terms: dict[str, str], steps: list[tuple[str, int]], outcomes: list[str], start: datetime
) -> None:
    live_through(terms, steps, outcomes, start)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@cases
def test_thousands_of_years_agree_with_the_model(
    terms: dict[str, str], steps: list[tuple[str, int]], outcomes: list[str], start: datetime
) -> None:
    live_through(terms, steps, outcomes, start)
