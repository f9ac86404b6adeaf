"""What a shop calls: create, cancel, pause, resume, change, retry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from flask_paysafer import errors

from .api import always, declines
from .conftest import START, Shop


class TestCreate:
    def test_is_idempotent_by_reference_and_answers_as_it_is_now(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        assert shop.create().state == "active"
        assert len(shop.subscriptions.list().data) == 1

    @pytest.mark.parametrize(
        "given",
        [
            {"customer": "cus_2"},
            {"payment_method": "pm_other"},
            {"starts_at": START},
            {"trial_until": START},
            {"metadata": {}},
        ],
    )
    def test_other_arguments_under_a_known_reference_are_an_error(
        self, shop: Shop, given: dict[str, Any]
    ) -> None:
        shop.create()
        with pytest.raises(errors.IdempotencyError):
            shop.create(**given)

    def test_it_is_compared_with_what_it_was_first_given(self, shop: Shop) -> None:
        shop.create()
        shop.subscriptions.change_card("s1", "pm_other")
        assert shop.create().payment_method == "pm_other"

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"starts_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 (what is tested)
            ({"starts_at": START, "trial_until": START}, "not both"),
            ({"reference": ""}, "reference"),
            ({"reference": "x" * 201}, "reference"),
            ({"customer": ""}, "customer"),
            ({"payment_method": "pm a\n"}, "payment_method"),
            ({"metadata": {"a": 1}}, "metadata"),
            ({"starts_at": datetime(9999, 12, 15, tzinfo=UTC)}, "year 9999"),
        ],
    )
    def test_refuses_what_cannot_be(self, shop: Shop, given: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            shop.create(**given)
        assert shop.subscriptions.list().data == []

    def test_a_plan_that_is_not_registered_is_refused_with_those_that_are(self, shop: Shop) -> None:
        with pytest.raises(ValueError, match=r"no plan 'tea'.*'beans'"):
            shop.subscriptions.create(
                "tea", customer="cus_1", payment_method="pm_1", reference="s1"
            )


@pytest.mark.parametrize(
    "call",
    [
        lambda subs: subs.retrieve("nope"),
        lambda subs: subs.cancel("nope", at="now"),
        lambda subs: subs.pause("nope"),
        lambda subs: subs.run("nope"),
        lambda subs: subs.retry("nope"),
        lambda subs: subs.payment_url("nope"),
        lambda subs: subs.periods("nope"),
    ],
)
def test_an_unknown_reference_is_not_found(shop: Shop, call: Any) -> None:
    with pytest.raises(errors.NotFoundError, match="nope"):
        call(shop.subscriptions)


class TestCancel:
    def test_at_the_periods_end_nothing_more_is_charged(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        found = shop.subscriptions.cancel("s1", at="period_end")
        ends = datetime(2026, 2, 28, 9, tzinfo=UTC)
        assert (found.state, found.cancel_at, found.next_charge_at) == ("active", ends, None)
        shop.live(days=60)
        found = shop.subscriptions.retrieve("s1")
        assert (found.state, found.period, found.canceled_at) == ("canceled", None, ends)
        assert len(shop.api.charges) == 1
        assert shop.events == [("started", 1), ("canceled", None)]

    def test_now_ends_it_at_once_and_again_changes_nothing(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        assert shop.subscriptions.cancel("s1", at="now").state == "canceled"
        assert shop.subscriptions.cancel("s1", at="now").state == "canceled"
        shop.live(days=60)
        assert shop.events == [("started", 1), ("canceled", None)]

    def test_before_the_first_charge_nothing_is_ever_charged(self, shop: Shop) -> None:
        shop.create()
        shop.subscriptions.cancel("s1", at="now")
        shop.live(days=40)
        assert shop.api.payments == {}

    def test_in_a_trial_the_periods_end_is_the_trials(self, shop: Shop) -> None:
        ends = START + timedelta(days=14)
        shop.create(trial_until=ends)
        assert shop.subscriptions.cancel("s1", at="period_end").cancel_at == ends
        shop.live(days=20)
        assert shop.subscriptions.retrieve("s1").state == "canceled"
        assert shop.api.payments == {}

    def test_ends_dunning(self, shop: Shop) -> None:
        shop.api.cards["pm_bad"] = always("insufficient_funds")
        shop.create(payment_method="pm_bad")
        shop.run()
        shop.subscriptions.cancel("s1", at="now")
        shop.live(days=20)
        assert shop.api.tries["pm_bad"] == 1
        assert shop.periods() == [(1, "unpaid")]
        with pytest.raises(errors.OrderClosedError):
            shop.subscriptions.payment_url("s1")

    def test_a_charge_whose_answer_was_lost_is_found_and_is_the_periods(self, shop: Shop) -> None:
        shop.api.cards["pm_lost"] = always("lost")
        shop.create(payment_method="pm_lost")
        shop.run()
        assert shop.subscriptions.cancel("s1", at="now").state == "canceled"
        assert shop.periods() == [(1, "paid")]
        assert len(shop.api.charges) == 1
        assert shop.events == [("started", 1), ("canceled", None)]

    def test_a_charge_that_cannot_be_settled_now_is_settled_by_the_next_run(
        self, shop: Shop
    ) -> None:
        shop.api.cards["pm_lost"] = always("lost")
        shop.create(payment_method="pm_lost")
        shop.run()
        shop.api.is_down = True
        found = shop.subscriptions.cancel("s1", at="now")
        assert (found.state, found.cancel_at) == ("pending", START)
        shop.api.is_down = False
        shop.pass_time(minutes=2)
        assert shop.subscriptions.retrieve("s1").state == "canceled"
        assert shop.periods() == [(1, "paid")]

    def test_how_must_be_said(self, shop: Shop) -> None:
        shop.create()
        with pytest.raises(ValueError, match="period_end"):
            shop.subscriptions.cancel("s1", at="later")


class TestPauseAndResume:
    def test_periods_that_begin_meanwhile_are_skipped(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        assert shop.subscriptions.pause("s1").state == "paused"
        shop.live(days=65)
        found = shop.subscriptions.resume("s1")
        assert found.state == "active"
        assert found.next_charge_at == datetime(2026, 4, 30, 9, tzinfo=UTC)
        shop.live(days=30)
        assert shop.periods() == [(1, "paid"), (2, "skipped"), (3, "skipped"), (4, "paid")]

    def test_the_running_period_is_not_charged_afterwards(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        shop.subscriptions.pause("s1")
        shop.now += timedelta(days=30)
        shop.subscriptions.resume("s1")
        shop.live(days=5)
        assert shop.periods() == [(1, "paid"), (2, "skipped")]

    def test_calls_that_change_nothing_are_no_error_and_no_event(self, shop: Shop) -> None:
        shop.create()
        shop.run()
        shop.subscriptions.resume("s1")
        shop.subscriptions.pause("s1")
        shop.subscriptions.pause("s1")
        assert shop.events == [("started", 1)]

    def test_a_paused_trial_goes_on_as_a_trial(self, shop: Shop) -> None:
        shop.create(trial_until=START + timedelta(days=14))
        shop.subscriptions.pause("s1")
        assert shop.subscriptions.resume("s1").state == "trialing"

    def test_what_was_past_due_is_past_due_again_and_not_retried_by_runs(self, shop: Shop) -> None:
        shop.api.cards["pm_bad"] = declines("insufficient_funds")
        shop.create(payment_method="pm_bad")
        shop.run()
        shop.subscriptions.pause("s1")
        found = shop.subscriptions.resume("s1")
        assert found.state == "past_due"
        shop.live(days=20)
        assert shop.api.tries["pm_bad"] == 1
        shop.live(days=10)
        assert shop.periods() == [(1, "unpaid"), (2, "paid")]
        assert shop.subscriptions.retrieve("s1").state == "active"

    def test_a_charge_under_way_is_never_left_without_its_period(self, shop: Shop) -> None:
        shop.api.cards["pm_lost"] = always("lost")
        shop.create(payment_method="pm_lost")
        shop.run()
        shop.subscriptions.pause("s1")
        assert shop.periods() == [(1, "paid")]
        assert shop.subscriptions.retrieve("s1").state == "paused"


class TestChanges:
    def test_another_plan_counts_from_the_next_period_on(self, shop: Shop) -> None:
        shop.plan("weekly", every="1 week")
        shop.create()
        shop.run()
        found = shop.subscriptions.change_plan("s1", "weekly")
        assert found.plan == "beans"
        shop.live(days=36)
        found = shop.subscriptions.retrieve("s1")
        assert (found.plan, found.anchor) == ("weekly", datetime(2026, 2, 28, 9, tzinfo=UTC))
        assert shop.periods() == [(1, "paid"), (2, "paid"), (3, "paid")]

    def test_another_plan_before_the_first_charge_counts_at_once(self, shop: Shop) -> None:
        shop.plan("weekly", every="1 week")
        shop.create(trial_until=START + timedelta(days=3))
        found = shop.subscriptions.change_plan("s1", "weekly")
        assert (found.plan, found.anchor) == ("weekly", START + timedelta(days=3))

    def test_a_canceled_subscription_takes_no_changes(self, shop: Shop) -> None:
        shop.create()
        subscriptions = shop.subscriptions
        subscriptions.cancel("s1", at="now")
        with pytest.raises(errors.OrderClosedError):
            subscriptions.change_card("s1", "pm_2")
        with pytest.raises(errors.OrderClosedError):
            subscriptions.change_plan("s1", "beans")
        with pytest.raises(errors.OrderClosedError):
            subscriptions.retry("s1")
        with pytest.raises(errors.OrderClosedError):
            subscriptions.payment_url("s1")

    def test_retry_tries_now_and_a_decline_is_no_exception(self, shop: Shop) -> None:
        shop.api.cards["pm_bad"] = declines("insufficient_funds", "insufficient_funds")
        shop.create(payment_method="pm_bad")
        shop.run()
        assert shop.subscriptions.retry("s1").state == "past_due"
        assert shop.subscriptions.retry("s1").state == "active"
        assert shop.subscriptions.retry("s1").state == "active"
        assert shop.api.tries["pm_bad"] == 3


def test_pages_of_a_list_are_walked_and_filtered(shop: Shop) -> None:
    for number in range(5):
        shop.create(f"s{number}", customer=f"cus_{number % 2}")
    page = shop.subscriptions.list(limit=2)
    assert (len(page.data), page.has_more) == (2, True)
    assert [one.reference for one in page] == ["s0", "s1", "s2", "s3", "s4"]
    assert [one.reference for one in shop.subscriptions.list(customer="cus_1")] == ["s1", "s3"]
    with pytest.raises(ValueError, match="state"):
        shop.subscriptions.list(state="nope")


def test_times_are_shown_in_the_plans_zone(shop: Shop) -> None:
    shop.plan("dubai", tz="Asia/Dubai")
    found = shop.subscriptions.create(
        "dubai", customer="cus_1", payment_method="pm_good", reference="s1"
    )
    assert found.anchor.isoformat() == "2026-01-31T13:00:00+04:00"
