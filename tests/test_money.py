from __future__ import annotations

import copy
import pickle
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from iso4217 import Currency

from flask_paysafer.money import Money, exponent

CURRENCIES = {c.code.lower(): c.exponent for c in Currency if c.exponent is not None}
AMOUNTS = st.integers(-(10**24), 10**24)


@pytest.mark.parametrize(
    ("codes", "digits"),
    [
        ("aed usd eur gbp sar egp inr", 2),
        ("kwd bhd omr jod tnd iqd lyd", 3),
        ("jpy krw clp ugx isk vnd xof", 0),
        ("clf uyw", 4),
    ],
)
def test_exponents_of_the_contract(codes: str, digits: int) -> None:
    assert {exponent(code) for code in codes.split()} == {digits}


def test_exponents_are_those_of_iso_4217() -> None:
    assert {code: exponent(code) for code in CURRENCIES} == CURRENCIES
    assert {code: exponent(code.upper()) for code in CURRENCIES} == CURRENCIES


@pytest.mark.parametrize("code", [c.code for c in Currency if c.exponent is None] + ["ABC"])
def test_refuses_what_is_no_currency_with_minor_units(code: str) -> None:
    with pytest.raises(ValueError, match="currency must be a code of ISO 4217"):
        Money(1, code)


@pytest.mark.parametrize("currency", [None, 784, b"aed"])
def test_refuses_a_currency_that_is_no_text(currency: Any) -> None:
    with pytest.raises(TypeError, match="currency must be a code"):
        Money(1, currency)


@pytest.mark.parametrize("amount", [1.0, True, "1", Decimal(1), None])
def test_refuses_an_amount_that_is_no_integer(amount: Any) -> None:
    with pytest.raises(TypeError, match="amount must be whole minor units"):
        Money(amount, "aed")


def test_is_a_value() -> None:
    money = Money(15000, "AED")
    assert money == Money(15000, "aed") != Money(15000, "usd")
    other: object = 15000
    assert money != other
    assert hash(money) == hash(Money(15000, "aed"))
    assert pickle.loads(pickle.dumps(money)) == copy.deepcopy(money) == money
    with pytest.raises(AttributeError):
        money.amount = 1  # type: ignore[misc]  # the point of the test
    assert repr(money) == "Money(amount=15000, currency='aed')"


@pytest.mark.parametrize(
    ("money", "text", "decimal"),
    [
        (Money(15000, "aed"), "AED 150.00", "150.00"),
        (Money(1500000, "kwd"), "KWD 1,500.000", "1500.000"),
        (Money(15000, "jpy"), "JPY 15,000", "15000"),
        (Money(-5, "aed"), "AED -0.05", "-0.05"),
        (Money(0, "omr"), "OMR 0.000", "0.000"),
    ],
)
def test_is_written_with_its_currency_s_decimals(money: Money, text: str, decimal: str) -> None:
    assert str(money) == text
    assert str(money.to_decimal()) == decimal


@settings(deadline=None)
@given(AMOUNTS, st.sampled_from(sorted(CURRENCIES)))
def test_a_sum_survives_the_way_to_decimal_and_back(amount: int, currency: str) -> None:
    money = Money(amount, currency)
    assert Money.from_decimal(money.to_decimal(), currency) == money
    assert Money.from_decimal(str(money.to_decimal()), currency) == money


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [
        ("150", "aed", 15000),
        ("150.5", "aed", 15050),
        ("1.5E2", "aed", 15000),
        (150, "kwd", 150000),
        (Decimal("0.001"), "kwd", 1),
        ("-0.01", "aed", -1),
        ("7.000", "jpy", 7),
        ("0.000000", "jpy", 0),
        ("0E-999999999", "aed", 0),
    ],
)
def test_major_units_become_minor_ones(value: Any, currency: str, amount: int) -> None:
    assert Money.from_decimal(value, currency) == Money(amount, currency)


@pytest.mark.parametrize(
    ("value", "currency"),
    [
        ("0.001", "aed"),
        ("0.5", "jpy"),
        ("1.0000000000000000000000000000000001", "aed"),
        ("1E-999999999", "aed"),
    ],
)
def test_never_rounds(value: str, currency: str) -> None:
    with pytest.raises(ValueError, match="decimals; round the value first"):
        Money.from_decimal(value, currency)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", "-Infinity", "sNaN", "1E999999999"])
def test_refuses_what_is_no_sum(value: str) -> None:
    with pytest.raises(ValueError, match="value is"):
        Money.from_decimal(value, "aed")


@pytest.mark.parametrize("value", [1.5, 150.0, True, None, b"1"])
def test_refuses_floats_and_other_kinds(value: Any) -> None:
    with pytest.raises(TypeError, match="value must be Decimal, int or str"):
        Money.from_decimal(value, "aed")


def test_the_caller_s_decimal_context_changes_nothing() -> None:
    with localcontext() as context:
        context.prec = 3
        assert Money.from_decimal("123456.78", "aed").amount == 12345678
        assert str(Money(12345678, "aed").to_decimal()) == "123456.78"


def test_sums_of_one_currency_are_calculated_with() -> None:
    one, two = Money(100, "aed"), Money(250, "aed")
    assert one + two == Money(350, "aed")
    assert one - two == Money(-150, "aed")
    assert abs(one - two) == -(one - two) == Money(150, "aed")
    assert one * 3 == 3 * one == Money(300, "aed")
    assert sum([one, two]) == Money(350, "aed")
    assert (bool(one), bool(one - one)) == (True, False)
    assert one < two
    assert two > one
    assert one <= Money(100, "aed") >= one
    assert max(one, two) == two
    assert sorted([two, one]) == [one, two]


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, st.integers(-1000, 1000))
def test_calculates_as_integers_do(one: int, two: int, factor: int) -> None:
    first, second = Money(one, "kwd"), Money(two, "kwd")
    assert (first + second).amount == one + two
    assert (first - second).amount == one - two
    assert (first * factor).amount == one * factor
    assert (first < second) == (one < two)


@pytest.mark.parametrize(
    "operation",
    [
        lambda a, b: a + b,
        lambda a, b: a - b,
        lambda a, b: a < b,
        lambda a, b: a >= b,
        lambda a, b: sum([a, b]),
    ],
)
def test_currencies_never_mix(operation: Any) -> None:
    with pytest.raises(ValueError, match="AED and USD can't be put together"):
        operation(Money(1, "aed"), Money(1, "usd"))


@pytest.mark.parametrize(
    "operation",
    [
        lambda m: m + 1,
        lambda m: 1 + m,
        lambda m: m - 1,
        lambda m: m * 1.5,
        lambda m: m * True,
        lambda m: m * m,
        lambda m: m / 2,
        lambda m: m < 1,
        lambda m: 0.0 + m,
    ],
)
def test_calculates_with_nothing_but_money_and_whole_factors(operation: Any) -> None:
    with pytest.raises(TypeError):
        operation(Money(1, "aed"))


@pytest.mark.parametrize(
    ("money", "locale", "text"),
    [
        (Money(1234567, "aed"), "en-AE", "AED\xa012,345.67"),
        (Money(1234567, "kwd"), "en-AE", "KWD\xa01,234.567"),
        (Money(1234567, "iqd"), "en-AE", "IQD\xa01,234.567"),
        (Money(1234567, "jpy"), "en_AE", "¥1,234,567"),
        (Money(-500, "aed"), "en-AE", "-AED\xa05.00"),
        (Money(1234567, "aed"), "ar-AE", "\u200f12,345.67\xa0د.إ.\u200f"),
        (Money(1234567, "iqd"), "ar-AE", "\u200f1,234.567\xa0د.ع.\u200f"),
        (Money(1234567, "jpy"), "ar-AE", "\u200f1,234,567\xa0JP¥"),
        (Money(1234567, "eur"), "de", "12.345,67\xa0€"),
    ],
)
def test_is_written_as_people_of_a_locale_do(money: Money, locale: str, text: str) -> None:
    assert money.format(locale) == text


def test_takes_a_locale_of_babel_s() -> None:
    babel = pytest.importorskip("babel")
    assert Money(100, "usd").format(babel.Locale("en", "US")) == "$1.00"


def test_shows_every_minor_unit_in_every_currency() -> None:
    """Babel's own decimals hide them for IQD and a dozen others."""
    for code, digits in CURRENCIES.items():
        shown = Money(10**digits + 1, code).format("en-AE")
        assert shown.endswith(f"1.{1:0{digits}d}" if digits else "2"), code


def test_formatting_leaves_babel_s_own_patterns_as_they_are() -> None:
    numbers = pytest.importorskip("babel.numbers")
    before = numbers.format_currency(1, "EUR", locale="en")
    Money(1, "kwd").format("en")
    assert numbers.format_currency(1, "EUR", locale="en") == before
