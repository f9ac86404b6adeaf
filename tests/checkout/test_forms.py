"""The shop takes no card data, whatever the page does."""

from __future__ import annotations

import pytest

from flask_paysafer.checkout.forms import holds_card_data, passes_luhn


@pytest.mark.parametrize(
    "value",
    [
        "4242424242424242",
        "4242 4242 4242 4242",
        "4242-4242-4242-4242",
        "378282246310005",
        "my card is 5555 5555 5555 4444 thanks",
    ],
)
def test_finds_a_card_number_in_any_field(value: str) -> None:
    assert holds_card_data([("note", value)])


@pytest.mark.parametrize(
    "name", ["number", "card_number", "cardNumber", "cc-number", "cvc", "cvv", "exp-month", "pan"]
)
def test_finds_fields_that_are_named_like_a_cards(name: str) -> None:
    assert holds_card_data([(name, "x")])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("token", "tok_1NRv2H2eZvKYlo2CkMzPF4fS"),
        ("paysafer_csrf", "Zm9vYmFy-1234567890123"),
        ("phone", "+971 50 123 4567"),
        ("order", "4242424242424241"),
        ("method", "saved"),
    ],
)
def test_lets_everything_else_pass(name: str, value: str) -> None:
    assert not holds_card_data([(name, value)])


def test_luhn_is_right_about_known_numbers() -> None:
    assert passes_luhn("79927398713")
    assert not any(passes_luhn(f"7992739871{digit}") for digit in "012456789")
