"""What an order loader may return."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from flask_paysafer.checkout.orders import CheckoutOrder, LineItem
from flask_paysafer.money import Money


def an_order(**overrides: Any) -> CheckoutOrder:
    fields: dict[str, Any] = {
        "reference": "1234",
        "amount": Money(15000, "aed"),
        "success_url": "/orders/1",
    }
    return CheckoutOrder(**fields | overrides)


def test_needs_only_an_amount_and_where_to_go_next() -> None:
    order = an_order()
    assert order.capture_method == "automatic"
    assert order.metadata == {}


def test_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        an_order().amount = Money(1, "aed")  # type: ignore[misc]


@pytest.mark.parametrize("amount", [150, 150.0, "150.00", None])
def test_refuses_an_amount_that_is_not_money(amount: object) -> None:
    with pytest.raises(TypeError, match=r'Money\(15000, "aed"\)'):
        an_order(amount=amount)


def test_refuses_an_amount_below_zero() -> None:
    with pytest.raises(ValueError, match="below zero"):
        an_order(amount=Money(-1, "aed"))


def test_an_order_of_nothing_is_free() -> None:
    assert an_order(amount=Money(0, "aed")).is_free


@pytest.mark.parametrize(
    "address",
    [
        "",
        "orders/1",
        "//evil.example/orders",
        "/\\evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://",
        "https:///orders",
        "/orders 1",
        "/orders\n1",
        "http://[::1",
        None,
    ],
)
def test_refuses_an_address_that_is_no_page(address: object) -> None:
    with pytest.raises(ValueError, match="success_url"):
        an_order(success_url=address)
    if address:
        with pytest.raises(ValueError, match="cancel_url"):
            an_order(cancel_url=address)


@pytest.mark.parametrize("address", ["/", "/orders/1?new=1", "https://shop.example/ok", "http://x"])
def test_takes_paths_and_web_addresses(address: str) -> None:
    assert an_order(success_url=address, cancel_url=address).success_url == address


@pytest.mark.parametrize("metadata", [{"a": ["b"]}, {1: "a"}, ["a"], "a", None])
def test_refuses_metadata_that_is_not_text(metadata: object) -> None:
    with pytest.raises(ValueError, match="map text to text"):
        an_order(metadata=metadata)


def test_keeps_its_own_metadata_keys_to_itself() -> None:
    with pytest.raises(ValueError, match="'paysafer_'"):
        an_order(metadata={"paysafer_reference": "2"})


def test_refuses_an_unknown_capture_method() -> None:
    with pytest.raises(ValueError, match="'automatic' or 'manual'"):
        an_order(capture_method="later")


def test_a_saved_payment_method_needs_its_customer_and_a_name() -> None:
    with pytest.raises(ValueError, match="payment_method_label"):
        an_order(payment_method="pm_1", customer="cus_1")
    with pytest.raises(ValueError, match="needs the customer"):
        an_order(payment_method="pm_1", payment_method_label="Visa •••• 4242")
    an_order(payment_method="pm_1", customer="cus_1", payment_method_label="Visa •••• 4242")


class Lazy:
    """A translation that becomes text where it is shown, as Flask-Babel's do."""

    def __str__(self) -> str:
        return "Coffee"


def test_needs_a_reference() -> None:
    with pytest.raises(TypeError, match="reference"):
        CheckoutOrder(amount=Money(1, "aed"), success_url="/")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="reference"):
        an_order(reference=None)


def test_takes_what_str_makes_an_id_of() -> None:
    ident = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
    order = an_order(reference=17, customer=ident, description=Lazy(), metadata={"basket": 7})
    assert order.reference == "17"
    assert order.customer == str(ident)
    assert order.description == "Coffee"
    assert type(order.description) is str
    assert order.metadata == {"basket": "7"}


def test_empty_text_means_not_given() -> None:
    order = an_order(receipt_email="", customer=" ", cancel_url="", locale="")
    assert (order.receipt_email, order.customer, order.cancel_url, order.locale) == (None,) * 4


@pytest.mark.parametrize("locale", ["arabic language", "e", "en_", "../en"])
def test_refuses_what_is_no_language_tag(locale: str) -> None:
    with pytest.raises(ValueError, match="language tag"):
        an_order(locale=locale)


def test_lines_must_add_up_to_the_amount() -> None:
    coffee = LineItem(name=Lazy(), quantity=2, amount=Money(16000, "aed"))  # type: ignore[arg-type]
    discount = LineItem(name="Discount", amount=Money(-1000, "aed"))
    assert an_order(lines=[coffee, discount]).lines[0].name == "Coffee"
    with pytest.raises(ValueError, match="add up to 16000"):
        an_order(lines=[coffee])
    with pytest.raises(ValueError, match="in the currency"):
        an_order(lines=[LineItem(name="Tea", amount=Money(15000, "usd"))])
    with pytest.raises(TypeError, match="LineItem"):
        an_order(lines=["coffee"])


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"name": ""}, ValueError),
        ({"quantity": 0}, ValueError),
        ({"quantity": 1.5}, TypeError),
        ({"quantity": True}, TypeError),
        ({"amount": 100}, TypeError),
    ],
)
def test_a_line_is_checked_when_it_is_made(fields: dict[str, Any], error: type[Exception]) -> None:
    given: dict[str, Any] = {"name": "Coffee", "amount": Money(1, "aed"), **fields}
    with pytest.raises(error, match="LineItem"):
        LineItem(**given)


def test_an_expiry_needs_a_time_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        an_order(expires_at=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(TypeError, match="datetime"):
        an_order(expires_at="2030-01-01")
    assert an_order(expires_at=datetime(2030, 1, 1, tzinfo=UTC)).expires == 1893456000.0


def test_keeping_a_card_needs_a_customer() -> None:
    with pytest.raises(ValueError, match="needs the customer"):
        an_order(save_card="ask")
    with pytest.raises(ValueError, match="'ask' or 'always'"):
        an_order(save_card="yes", customer="cus_1")


def test_its_repr_shows_no_personal_data() -> None:
    order = an_order(customer="cus_1", receipt_email="amal@example.com", metadata={"name": "Amal"})
    assert "amal" not in repr(order).lower()
    assert "cus_1" not in repr(order)
