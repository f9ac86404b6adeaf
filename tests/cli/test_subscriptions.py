"""``flask paysafer subscriptions`` and ``renewals``."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.subscriptions.api import always
from tests.subscriptions.conftest import START, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def run(shop: Shop, *arguments: str, **options: Any) -> Result:
    return shop.app.test_cli_runner().invoke(args=["paysafer", *arguments], **options)


def test_a_run_charges_what_is_due_and_says_so(shop: Shop) -> None:
    shop.create()
    result = run(shop, "renewals", "run")
    assert (result.exit_code, len(shop.api.charges)) == (0, 1)
    assert "paysafer: 1 looked at, 0 could not be tried." in result.output


def test_a_decline_is_no_failure_of_the_run(shop: Shop) -> None:
    shop.api.cards["pm_bad"] = always("insufficient_funds")
    shop.create(payment_method="pm_bad")
    assert run(shop, "renewals", "run").exit_code == 0


def test_what_could_not_be_tried_is_named_and_is_exit_code_1(shop: Shop) -> None:
    def price(*_: object) -> None:
        raise LookupError

    shop.price = price
    shop.create()
    result = run(shop, "renewals", "run")
    assert result.exit_code == 1
    assert "s1: the plan 'beans' raised LookupError" in result.output


def test_a_dry_run_charges_nothing(shop: Shop) -> None:
    shop.create()
    result = run(shop, "renewals", "run", "--dry-run")
    assert (result.exit_code, shop.api.payments) == (0, {})
    assert "s1" in result.output


def test_what_is_due_as_json(shop: Shop) -> None:
    shop.create()
    (row,) = json.loads(run(shop, "renewals", "due", "--json").output)
    assert row == {
        "reference": "s1",
        "plan": "beans",
        "due_at": "2026-01-31T09:00:00+00:00",
        "period": 1,
        "attempt": 1,
    }


def test_a_run_at_another_time_charges_what_is_due_then(shop: Shop) -> None:
    shop.create(starts_at=START + timedelta(days=3))
    at = (START + timedelta(days=3)).isoformat()
    assert run(shop, "renewals", "run", "--at", at).exit_code == 0
    assert len(shop.api.charges) == 1


@pytest.mark.parametrize(
    ("at", "message"),
    [
        ("2026-02-01T12:00:00", "offset"),
        ("tomorrow", "offset"),
        ("2020-01-01T00:00:00+00:00", "not in the past"),
    ],
)
def test_refuses_a_time_that_cannot_be(shop: Shop, at: str, message: str) -> None:
    result = run(shop, "renewals", "run", "--at", at)
    assert result.exit_code == 1
    assert message in result.output


def test_lists_and_shows_subscriptions(shop: Shop) -> None:
    shop.create()
    shop.run()
    assert "s1" in run(shop, "subscriptions", "list").output
    assert "No matches." in run(shop, "subscriptions", "list", "--state", "paused").output
    (entry,) = json.loads(run(shop, "subscriptions", "list", "--json").output)
    assert (entry["reference"], entry["state"]) == ("s1", "active")
    shown = json.loads(run(shop, "subscriptions", "show", "s1", "--json").output)
    assert [one["state"] for one in shown["periods"]] == ["paid"]
    assert "pay_1" in run(shop, "subscriptions", "show", "s1").output


def test_an_unknown_reference_is_one_line(shop: Shop) -> None:
    result = run(shop, "subscriptions", "show", "nope")
    assert (result.exit_code, "There is no subscription 'nope'." in result.output) == (1, True)


def test_changes_ask_first(shop: Shop) -> None:
    shop.create()
    assert run(shop, "subscriptions", "cancel", "s1", "--at", "now", input="n\n").exit_code == 1
    assert shop.subscriptions.retrieve("s1").state == "pending"
    assert run(shop, "subscriptions", "pause", "s1", input="y\n").exit_code == 0
    assert shop.subscriptions.retrieve("s1").state == "paused"
    assert run(shop, "subscriptions", "resume", "s1", "--yes").exit_code == 0
    result = run(shop, "subscriptions", "cancel", "s1", "--at", "period-end", "--yes")
    assert "s1 is pending, and ends 2026-02-28 09:00 UTC." in result.output
    run(shop, "subscriptions", "cancel", "s1", "--at", "now", "--yes")
    assert shop.subscriptions.retrieve("s1").state == "canceled"
