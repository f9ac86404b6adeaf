"""What a run of renewals does: each period is charged once, and what happened is an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from flask_paysafer import Money
from flask_paysafer.state import get_state
from flask_paysafer.subscriptions.plans import Charge

from .api import always, declines
from .conftest import START, Shop


def test_creating_calls_no_api_and_the_next_run_charges_the_first_period(shop: Shop) -> None:
    assert shop.create().state == "pending"
    assert shop.api.payments == {}

    shop.run()

    found = shop.subscriptions.retrieve("s1")
    assert (found.state, found.period.state, found.period.number) == ("active", "paid", 1)
    assert found.period.amount == Money(9900, "aed")
    assert found.next_charge_at == datetime(2026, 2, 28, 9, tzinfo=UTC)
    assert shop.events == [("started", 1)]


def test_a_year_of_months_is_charged_twelve_times_on_the_months_last_days(shop: Shop) -> None:
    shop.create()
    shop.live(days=365)
    found = shop.subscriptions.periods("s1")
    days = [one.start.strftime("%m-%d") for one in reversed(found)][:4]
    assert days == ["01-31", "02-28", "03-31", "04-30"]
    assert shop.api.charged() == [("s1", str(number)) for number in range(1, 14)]
    assert shop.events == [("started", 1), *(("renewed", number) for number in range(2, 14))]


def test_running_again_charges_nothing_twice(shop: Shop) -> None:
    shop.create()
    for _ in range(5):
        shop.run()
    assert len(shop.api.charges) == 1


def test_a_trial_is_charged_at_its_end_and_not_before(shop: Shop) -> None:
    ends = START + timedelta(days=14)
    found = shop.create(trial_until=ends)
    assert (found.state, found.period, found.next_charge_at) == ("trialing", None, ends)
    shop.live(days=13)
    assert shop.api.charges == []
    shop.live(days=1)
    assert shop.subscriptions.retrieve("s1").state == "active"
    assert shop.subscriptions.retrieve("s1").anchor == ends


def test_after_an_outage_only_the_running_period_is_charged(shop: Shop) -> None:
    shop.create()
    shop.run()
    shop.pass_time(days=100)
    assert shop.periods() == [(1, "paid"), (2, "skipped"), (3, "skipped"), (4, "paid")]


def test_after_an_outage_all_periods_are_charged_if_the_plan_says_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path, catch_up="all")
    shop.create()
    shop.run()
    shop.pass_time(days=100)
    assert shop.periods() == [(1, "paid"), (2, "paid"), (3, "paid"), (4, "paid")]
    assert shop.api.charged() == [("s1", "1"), ("s1", "2"), ("s1", "3"), ("s1", "4")]


def test_a_start_in_the_past_is_an_outage_of_that_length(shop: Shop) -> None:
    shop.create(starts_at=START - timedelta(days=70))
    shop.run()
    assert shop.periods() == [(1, "skipped"), (2, "skipped"), (3, "paid")]
    assert shop.events == [("started", 3)]


def test_a_decline_is_retried_after_one_three_and_five_days(shop: Shop) -> None:
    shop.api.cards["pm_bad"] = declines(*["insufficient_funds"] * 3)
    shop.create(payment_method="pm_bad")
    tried: list[int] = []
    for _ in range(12):
        shop.run()
        tried.append(shop.api.tries["pm_bad"])
        shop.now += timedelta(days=1)
    assert [tried.index(number) for number in (1, 2, 3, 4)] == [0, 1, 4, 9]
    assert shop.periods() == [(1, "paid")]
    assert shop.events == [("past_due", 1), ("started", 1)]


@pytest.mark.parametrize(
    ("at_end", "state", "events"),
    [
        ("cancel", "canceled", [("past_due", 1), ("canceled", 1)]),
        ("past_due", "past_due", [("past_due", 1)]),
        ("pause", "paused", [("past_due", 1)]),
    ],
)
def test_after_the_last_retry_the_plans_word_counts(
    tmp_path: Path, at_end: str, state: str, events: list[tuple[str, int]]
) -> None:
    shop = Shop(tmp_path, at_end=at_end)
    shop.api.cards["pm_bad"] = always("insufficient_funds")
    shop.create(payment_method="pm_bad")
    shop.run()
    shop.live(days=12)
    assert shop.api.tries["pm_bad"] == 4
    assert shop.subscriptions.retrieve("s1").state == state
    assert shop.periods() == [(1, "unpaid")]
    assert shop.events == events


@pytest.mark.parametrize("code", ["lost_card", "stolen_card", "authentication_required"])
def test_a_final_decline_asks_for_the_customer_at_once_and_tries_no_more(
    shop: Shop, code: str
) -> None:
    shop.api.cards["pm_lost"] = always(code)
    shop.create(payment_method="pm_lost")
    shop.run()
    found = shop.subscriptions.retrieve("s1")
    assert (found.state, found.next_charge_at, found.period.reason) == ("past_due", None, code)
    shop.live(days=8)
    assert shop.api.tries["pm_lost"] == 1
    assert shop.events == [("action_required", 1)]
    shop.live(days=1)
    assert shop.subscriptions.retrieve("s1").state == "canceled"
    assert shop.events == [("action_required", 1), ("canceled", 1)]


def test_another_card_is_tried_anew_by_the_next_run(shop: Shop) -> None:
    shop.api.cards["pm_lost"] = always("lost_card")
    shop.create(payment_method="pm_lost")
    shop.run()
    shop.subscriptions.change_card("s1", "pm_good")
    shop.run()
    assert shop.subscriptions.retrieve("s1").state == "active"
    assert shop.events == [("action_required", 1), ("started", 1)]


def test_a_lost_answer_is_asked_for_again_under_the_same_key(shop: Shop) -> None:
    shop.api.cards["pm_lost_answer"] = always("lost")
    shop.create(payment_method="pm_lost_answer")
    shop.run()
    assert shop.subscriptions.retrieve("s1").state == "pending"
    shop.pass_time(minutes=2)
    assert shop.subscriptions.retrieve("s1").state == "active"
    assert len(shop.api.payments) == 1


def test_a_plan_that_raises_leaves_the_period_due_and_stops_no_other(shop: Shop) -> None:
    def price(subscription: object, period: object) -> Charge:
        if getattr(subscription, "reference", "") == "s1":
            raise LookupError("no price")
        return Charge(Money(100, "aed"))

    shop.price = price
    shop.create("s1")
    shop.create("s2")
    report = shop.run()
    assert [(one.reference, one.reason) for one in report.problems] == [
        ("s1", "the plan 'beans' raised LookupError")
    ]
    assert shop.api.charged() == [("s2", "1")]
    assert shop.periods("s1") == [(1, "due")]

    shop.price = lambda *_: Charge(Money(100, "aed"))
    shop.pass_time(minutes=59)
    assert shop.periods("s1") == [(1, "due")]
    shop.pass_time(minutes=2)
    assert shop.periods("s1") == [(1, "paid")]


def test_the_plan_is_asked_once_for_a_period_and_retries_use_what_it_said(shop: Shop) -> None:
    prices = iter([9900, 1])
    shop.price = lambda *_: Charge(Money(next(prices), "aed"))
    shop.api.cards["pm_bad"] = declines("insufficient_funds")
    shop.create(payment_method="pm_bad")
    shop.run()
    shop.live(days=1)
    assert [one["amount"] for one in shop.api.charges] == [9900]


def test_nothing_due_is_a_free_period(shop: Shop) -> None:
    shop.price = lambda *_: None
    shop.create()
    shop.run()
    assert shop.periods() == [(1, "free")]
    assert shop.events == [("started", 1)]
    assert shop.subscriptions.retrieve("s1").state == "active"


def test_another_currency_is_refused_like_a_plan_that_raises(shop: Shop) -> None:
    shop.create()
    shop.run()
    shop.price = lambda *_: Charge(Money(100, "usd"))
    shop.pass_time(days=28)
    assert shop.periods() == [(1, "paid"), (2, "due")]
    assert len(shop.api.charges) == 1


def test_a_plan_that_is_gone_charges_nothing_and_is_said(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.create()
    shop.run()
    shop.paysafer._registrations.plans._plans.clear()
    shop.now += timedelta(days=28)
    report = shop.run()
    assert [one.reason for one in report.problems] == ["the plan 'beans' is not registered"]
    assert "nothing is charged" in caplog.text
    assert len(shop.api.charges) == 1


def test_while_paysafer_is_away_nothing_is_decided(shop: Shop) -> None:
    shop.create()
    shop.api.is_down = True
    shop.run()
    shop.live(days=1)
    assert (shop.subscriptions.retrieve("s1").state, shop.events) == ("pending", [])
    shop.api.is_down = False
    shop.pass_time(minutes=2)
    assert shop.subscriptions.retrieve("s1").state == "active"
    assert len(shop.api.charges) == 1


def test_an_outage_of_an_hour_delays_a_renewal_no_longer_than_it_lasts(shop: Shop) -> None:
    shop.create()
    shop.api.is_down = True
    shop.run()
    database = get_state(shop.app).inbox.database
    attempts = database.tables.checkout_attempt
    with database.transaction() as connection:
        connection.execute(update(attempts).values(begun_at=attempts.c.begun_at - 3_600_000))
    shop.api.is_down = False
    shop.pass_time(minutes=2)
    assert shop.subscriptions.retrieve("s1").state == "active"
    assert len(shop.api.payments) == 1
