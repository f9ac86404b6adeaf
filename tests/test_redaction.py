from __future__ import annotations

import timeit

import pytest

from flask_paysafer.redaction import redact


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("key sk_test_acmeshop1!", "key [key]"),
        ("pk_live_acmeshop1 is it", "[key] is it"),
        ("'whsec_0123456789ab'", "'[key]'"),
        ("Authorization: Bearer abc.def-1", "Authorization: [key]"),
        ("to a.b+c@example.co.uk now", "to [e-mail] now"),
        ("/people/a%40example.com", "[e-mail]"),
        ("<a@b.example>", "<[e-mail]>"),
        ("card 4242424242424242.", "card [card number]."),
        ("4242 4242 4242 4242", "[card number]"),
        ("4242-4242-4242-4242", "[card number]"),
        ("3782 822463 10005", "[card number]"),
        ("4222222222222", "[card number]"),
        ("6304000000000000000", "[card number]"),
        ('"cvc": "123"', '"cvc": "[cvc]"'),
        ("cvc=1234", "cvc=[cvc]"),
        ("CVV 123 is wrong", "CVV [cvc] is wrong"),
        ("security code: 123", "security code: [cvc]"),
        ("the CVC was 123", "the CVC was [cvc]"),
    ],
)
def test_takes_out(text: str, clean: str) -> None:
    assert redact(text) == clean


@pytest.mark.parametrize(
    "text",
    [
        "Missing required parameter: amount",
        "pay_1NRv2H2eZvKYlo2CkMzPF4fS",
        "order_1234_attempt_1",
        "amount 15000 of 1709472000",
        "https://docs.paysafer.me/errors#parameter_missing",
        "cvc_check failed with incorrect_cvc",
        "/payments/pay_4242424242424242",
        "تم رفض البطاقة",
    ],
)
def test_leaves_what_is_harmless(text: str) -> None:
    assert redact(text) == text


def test_cuts_long_text() -> None:
    assert redact("x y " * 1000, limit=10) == "x y x y x …"


def test_is_quick_on_text_that_is_made_to_be_slow() -> None:
    for piece in ("4 ", "a@", "sk_", "cvc ", "1-", "bearer "):
        assert len(redact(piece * 1_000_000)) < 1100


@pytest.mark.parametrize("piece", ["a", "@", "1", "1 ", "cvc ", "bearer ", "sk_", "%", " "])
def test_long_text_takes_no_time(piece: str) -> None:
    text = piece * (64_000 // len(piece))

    # Milliseconds; looked for from each character anew it is more than ten seconds.
    assert timeit.timeit(lambda: redact(text, limit=64_000), number=1) < 2
