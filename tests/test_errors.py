from __future__ import annotations

import pickle

import pytest

from flask_paysafer.errors import CardError


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("order_1234_attempt_1", "order_1234_attempt_1"),
        ("order_4242424242424242_attempt_1", "order_[card number]_attempt_1"),
        ("order_bob@example.com", "[e-mail]"),
        ("order sk_test_acmeshop1", "order [key]"),
    ],
)
def test_a_key_made_of_personal_data_is_not_shown_but_kept(key: str, shown: str) -> None:
    error = CardError("declined", idempotency_key=key)
    assert repr(error) == f"CardError('declined', idempotency_key={shown!r})"
    assert error.idempotency_key == key
    assert pickle.loads(pickle.dumps(error)).idempotency_key == key
