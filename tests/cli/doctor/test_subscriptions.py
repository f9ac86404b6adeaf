"""What the doctor says of renewals."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.subscriptions.conftest import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def findings(shop: Shop) -> list[tuple[str, str]]:
    result = shop.app.test_cli_runner().invoke(args=["paysafer", "doctor", "--offline", "--json"])
    found: list[dict[str, Any]] = json.loads(result.output)["findings"]
    return [(one["level"], one["what"]) for one in found if one["check"] == "subscriptions"]


def test_renewals_that_are_run_are_well(shop: Shop) -> None:
    shop.create()
    shop.run()
    assert findings(shop) == [("ok", "Renewals are run, and every subscription has its plan.")]


def test_nobody_has_run_renewals_for_a_day(shop: Shop) -> None:
    shop.create()
    shop.now += timedelta(days=3)
    assert findings(shop) == [("error", "Renewals have been due for 3 day(s): no runner has run.")]


def test_a_plan_that_is_gone_is_named(shop: Shop) -> None:
    shop.create()
    shop.paysafer._registrations.plans._plans.clear()
    ((level, what),) = findings(shop)
    assert level == "error"
    assert "'beans' (1)" in what


def test_a_plan_that_raises_is_a_warning(shop: Shop) -> None:
    def price(*_: object) -> None:
        raise LookupError

    shop.price = price
    shop.create()
    shop.run()
    assert findings(shop) == [("warning", "Plan functions raised for 1 period(s), which stay due.")]


def test_a_card_that_expires_before_the_next_charge_is_a_warning(shop: Shop) -> None:
    shop.create()
    shop.run()
    shop.paysafer_cards().save(
        "cus_1",
        "pm_good",
        {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2026},
        consent={},
    )
    assert findings(shop) == [("warning", "1 saved card(s) expire before they are charged next.")]


def test_a_shop_without_plans_hears_nothing_of_them(shop: Shop) -> None:
    shop.paysafer._registrations.plans._plans.clear()
    assert findings(shop) == []
