"""Whose payment is it."""

from __future__ import annotations

import pytest

from flask_paysafer.checkout import payments
from tests.checkout.attempts import an_attempt


def test_the_same_attempt_has_the_same_key_everywhere() -> None:
    assert payments.attempt_key("5h0p", "1234", 1) == "checkout_5h0p_1234_attempt_1"


def test_no_two_attempts_share_a_key() -> None:
    keys = {
        payments.attempt_key(shop, reference, number)
        for shop in ("a", "b")
        for reference in ("1", "1_attempt", "1 attempt")
        for number in (1, 11)
    }
    assert len(keys) == 12


def test_shops_and_accounts_have_ids_of_their_own() -> None:
    ids = {
        payments.installation_id(secret, account)
        for secret in ("secret", b"other")
        for account in ("paysafer", "paysafer_eu")
    }
    assert len(ids) == 4
    assert not any("secret" in one for one in ids)
    assert payments.installation_id("secret", "paysafer") == payments.installation_id(
        b"secret", "paysafer"
    )


def test_knows_the_payment_of_an_attempt() -> None:
    payment = {"metadata": payments.correlation_metadata("5h0p", "1234", 2)}
    assert payments.is_of(payment, an_attempt(2))
    assert not payments.is_of(payment, an_attempt(1))
    assert not payments.is_of(payment, an_attempt(2, reference="1235"))
    assert not payments.is_of(payment, an_attempt(2, shop="other"))


@pytest.mark.parametrize(
    "metadata", [None, "x", {}, {"paysafer_attempt": "²"}, {"paysafer_attempt": 1}]
)
def test_reads_no_attempt_from_metadata_that_names_none(metadata: object) -> None:
    assert payments.number_of({"metadata": metadata}) is None
