"""What an order loader may return."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from flask_paysafer.checkout.orders import CheckoutOrder
from flask_paysafer.money import Money


def an_order(**overrides: Any) -> CheckoutOrder:
    fields: dict[str, Any] = {"amount": Money(15000, "aed"), "success_url": "/orders/1"}
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


@pytest.mark.parametrize("minor", [0, -1])
def test_refuses_an_amount_that_is_not_above_zero(minor: int) -> None:
    with pytest.raises(ValueError, match="above zero"):
        an_order(amount=Money(minor, "aed"))


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
    if address is not None:
        with pytest.raises(ValueError, match="cancel_url"):
            an_order(cancel_url=address)


@pytest.mark.parametrize("address", ["/", "/orders/1?new=1", "https://shop.example/ok", "http://x"])
def test_takes_paths_and_web_addresses(address: str) -> None:
    assert an_order(success_url=address, cancel_url=address).success_url == address


@pytest.mark.parametrize("metadata", [{"a": 1}, {1: "a"}, ["a"], "a", None])
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
