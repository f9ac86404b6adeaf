"""Other names of one order."""

from __future__ import annotations

import logging

import pytest

from flask_paysafer.checkout.aliases import plain_numbers
from flask_paysafer.checkout.orders import CheckoutOrder
from flask_paysafer.money import Money
from tests.checkout.shop import Shop, hidden_fields

OTHER_NAMES = ["01", "1.0", "+1", "1e0", "\N{ARABIC-INDIC DIGIT ONE}"]


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_a_number_has_one_plain_name(name: str) -> None:
    assert plain_numbers(name) == ["1"]


def test_a_long_number_has_one_plain_name_too() -> None:
    assert plain_numbers("01234567890123456789") == ["1234567890123456789"]
    assert plain_numbers("1234567890123456789") == []


@pytest.mark.parametrize("ending", [".0", "e0", ".25"])
def test_a_number_that_databases_round_has_the_rounded_name_too(ending: str) -> None:
    assert str(2**60) in plain_numbers(f"{2**60 + 1}{ending}")


@pytest.mark.parametrize(
    "name", ["1", "-5", "1.5", "abc", "1-2", "inf", "nan", "1e300", "9" * 255, "0" * 9 + "x"]
)
def test_plain_names_and_what_is_no_number_have_no_other(name: str) -> None:
    assert plain_numbers(name) == []


def order(total: int = 500) -> CheckoutOrder:
    return CheckoutOrder(amount=Money(total, "aed"), success_url="/thanks")


@pytest.mark.parametrize("name", OTHER_NAMES)
def test_an_order_that_is_looked_up_by_number_is_paid_under_one_name(shop: Shop, name: str) -> None:
    shop.paysafer.order_loader(lambda reference: order() if float(reference) == 1 else None)
    fields = hidden_fields(shop.open("/paysafer/checkout/1").text) | {"token": shop.token()}
    page = f"/paysafer/checkout/{name}"
    assert shop.browser.post(page, data=fields).status_code == 404
    assert shop.payments == []
    assert shop.browser.post("/paysafer/checkout/1", data=fields).status_code == 303
    assert [payment["status"] for payment in shop.payments] == ["succeeded"]


def test_the_log_says_how_two_orders_are_told_apart(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    shop.orders |= {"01": order(), "1": order()}
    with caplog.at_level(logging.WARNING):
        assert shop.open("/paysafer/checkout/01").status_code == 404
    [record] = [record for record in caplog.records if "checkout" in record.name]
    assert record.getMessage() == (
        "Order '01' has no page: the order_loader finds the same sum under '1', so both may be "
        "one order. If they are two, give each its CheckoutOrder(reference=…)."
    )


def test_numbers_with_zeros_in_front_are_names_too(shop: Shop) -> None:
    shop.orders |= {"0042": order()}
    assert shop.open("/paysafer/checkout/0042").status_code == 200


def test_two_orders_over_different_sums_are_two(shop: Shop) -> None:
    shop.orders |= {"0042": order(), "42": order(600)}
    assert shop.open("/paysafer/checkout/0042").status_code == 200
    assert shop.open("/paysafer/checkout/42").status_code == 200


def test_a_loader_that_refuses_the_plain_name_has_no_such_order(shop: Shop) -> None:
    orders = {"0042": order()}
    shop.paysafer.order_loader(lambda reference: orders[reference])
    assert shop.open("/paysafer/checkout/0042").status_code == 200
