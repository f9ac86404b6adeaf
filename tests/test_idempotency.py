from __future__ import annotations

import re
from decimal import Decimal
from enum import IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_paysafer.idempotency import check_key, fresh_key, idempotency_key

PARTS = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.text("ab_.-", max_size=4),
        st.text("0123456789", max_size=3),
        st.text(min_size=200, max_size=300),
        st.characters(categories=["Cs"]),
    ),
    min_size=1,
    max_size=4,
)


def test_is_readable() -> None:
    assert idempotency_key("order", 1234, "attempt", 1) == "order_1234_attempt_1"


def test_is_the_same_today_and_tomorrow() -> None:
    """Written down, for a key that changed with a release would pay twice."""
    assert idempotency_key("evt_1", "refund") == "evt_1_refund.7e82e8c50df93ff42cbd0716d0b8c756"
    assert idempotency_key("", "ä") == "__.17052e5cdee0b693f0ecb9599a46df06"


@given(PARTS, PARTS)
@settings(max_examples=300, deadline=None)
def test_other_parts_get_another_key(one: list[str], two: list[str]) -> None:
    assert (idempotency_key(*one) == idempotency_key(*two)) == (one == two)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (("a_b", "c"), ("a", "b_c")),
        (("a", "b"), ("a_b",)),
        (("a", ""), ("a",)),
        (("", "a"), ("a", "")),
        (("a", "", "b"), ("a", "b")),
        (("ä",), ("a",)),
        (("é",), ("e\u0301",)),
        (("x" * 300,), ("x" * 301,)),
        (("x" * 255, "y"), ("x" * 255, "z")),
        (("order 1",), ("order_1",)),
        (("Order", 1), ("order", 1)),
        (("1:a",), ("1", "a")),
        (("-5",), ("5",)),
    ],
)
def test_odd_parts_never_meet(one: tuple[str, ...], two: tuple[str, ...]) -> None:
    assert idempotency_key(*one) != idempotency_key(*two)


@settings(deadline=None)
@given(PARTS)
def test_can_be_sent_whatever_the_parts(parts: list[str]) -> None:
    key = idempotency_key(*parts)
    assert check_key(key) == key
    assert re.fullmatch(r"[A-Za-z0-9_.-]{1,255}", key)


def test_a_number_and_its_text_are_one_part() -> None:
    assert idempotency_key("order", 1) == idempotency_key("order", "1")


def test_takes_uuids_and_enumerations_of_numbers() -> None:
    class Attempt(IntEnum):
        FIRST = 1

    order = UUID("12345678-1234-5678-1234-567812345678")
    key = idempotency_key("order", order, Attempt.FIRST)
    assert key == "order_12345678-1234-5678-1234-567812345678_1"


@pytest.mark.parametrize("part", [None, True, 1.5, b"a", Decimal(1), ("a",), object()])
def test_refuses_parts_whose_text_is_no_name(part: Any) -> None:
    with pytest.raises(TypeError, match="Parts of an idempotency key are str, int or UUID"):
        idempotency_key("order", part)


def test_refuses_to_name_nothing() -> None:
    with pytest.raises(ValueError, match="needs parts"):
        idempotency_key()


def test_fresh_keys_differ_and_can_be_sent() -> None:
    keys = {fresh_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(check_key(key) == key for key in keys)
