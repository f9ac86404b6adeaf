"""Whose payment is it."""

from __future__ import annotations

import pytest

from flask_paysafer.checkout import identity
from tests.checkout.attempts import an_attempt


def test_the_same_attempt_has_the_same_key_everywhere() -> None:
    assert identity.attempt_key("5h0p", "1234", 1) == "checkout_5h0p_1234_attempt_1"


def test_no_two_attempts_share_a_key() -> None:
    keys = {
        identity.attempt_key(shop, reference, number)
        for shop in ("a", "b")
        for reference in ("1", "1_attempt", "1 attempt")
        for number in (1, 11)
    }
    assert len(keys) == 12


def test_shops_and_accounts_have_marks_of_their_own() -> None:
    marks = {
        identity.shop_mark(secret, account)
        for secret in ("secret", b"other")
        for account in ("paysafer", "paysafer_eu")
    }
    assert len(marks) == 4
    assert not any("secret" in mark for mark in marks)
    assert identity.shop_mark("secret", "paysafer") == identity.shop_mark(b"secret", "paysafer")


def test_knows_the_payment_of_an_attempt() -> None:
    payment = {"metadata": identity.marks("5h0p", "1234", 2)}
    assert identity.is_of(payment, an_attempt(2))
    assert not identity.is_of(payment, an_attempt(1))
    assert not identity.is_of(payment, an_attempt(2, reference="1235"))
    assert not identity.is_of(payment, an_attempt(2, shop="other"))


@pytest.mark.parametrize(
    "metadata", [None, "x", {}, {"paysafer_attempt": "²"}, {"paysafer_attempt": 1}]
)
def test_reads_no_attempt_from_metadata_that_names_none(metadata: object) -> None:
    assert identity.number_of({"metadata": metadata}) is None
