"""The words of the checkout."""

from __future__ import annotations

import re
import string

import pytest
from flask import Flask
from flask_babel import Babel

from flask_paysafer.checkout.rendering import SCRIPT_TEXTS, notice_for
from flask_paysafer.checkout.texts import Texts, catalogue, format_money
from flask_paysafer.money import Money
from tests.checkout.attempts import an_attempt


@pytest.fixture
def bare_app() -> Flask:
    return Flask(__name__)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_arabic_says_all_that_english_says() -> None:
    english, arabic = catalogue("en"), catalogue("ar")
    assert set(english) == set(arabic)
    for name, text in english.items():
        assert placeholders(text) == placeholders(arabic[name]), name
        assert re.search(r"[\u0600-\u06ff]", arabic[name]), name


def test_the_script_gets_texts_that_exist() -> None:
    assert set(SCRIPT_TEXTS) <= set(catalogue("en"))


def test_fills_in_placeholders_literally(bare_app: Flask) -> None:
    with bare_app.test_request_context():
        assert Texts("en")("pay", amount="{amount} \\1") == "Pay {amount} \\1"


@pytest.mark.parametrize(
    ("header", "language"),
    [("ar-AE,ar;q=0.9,en;q=0.8", "ar"), ("en-GB", "en"), ("fr,de;q=0.5", "en"), ("", "en")],
)
def test_follows_the_browser(bare_app: Flask, header: str, language: str) -> None:
    with bare_app.test_request_context(headers={"Accept-Language": header}):
        assert Texts().locale == language


def test_the_orders_language_wins(bare_app: Flask) -> None:
    with bare_app.test_request_context(headers={"Accept-Language": "en"}):
        texts = Texts("ar-AE")
    assert (texts.locale, texts.direction) == ("ar-AE", "rtl")


def test_follows_flask_babel(bare_app: Flask) -> None:
    Babel(bare_app, locale_selector=lambda: "ar")
    with bare_app.test_request_context(headers={"Accept-Language": "en"}):
        assert Texts().locale == "ar"
        assert Texts()("card_number") == catalogue("ar")["card_number"]


def test_a_merchants_translation_wins(bare_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    Babel(bare_app, locale_selector=lambda: "fr")
    monkeypatch.setattr("flask_babel.gettext", {"Card number": "Numéro de carte"}.get)
    with bare_app.test_request_context():
        assert Texts()("card_number") == "Numéro de carte"


def test_a_language_nobody_translated_is_shown_in_english(bare_app: Flask) -> None:
    Babel(bare_app, locale_selector=lambda: "fr")
    with bare_app.test_request_context():
        assert Texts()("card_number") == "Card number"


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (Money(15000, "aed"), "150.00"),
        (Money(1234, "kwd"), "1.234"),
        (Money(500, "jpy"), "500"),
    ],
)
def test_amounts_have_their_currencys_decimals(money: Money, shown: str) -> None:
    digits = re.search(r"[\d.,]+", format_money(money, "en"))
    assert digits is not None
    assert digits.group() == shown


def test_an_unknown_language_still_shows_the_amount() -> None:
    assert "150.00" in format_money(Money(15000, "aed"), "xx-klingon")


def test_lost_and_stolen_cards_are_not_told_apart(bare_app: Flask) -> None:
    with bare_app.test_request_context():
        texts = Texts("en")
        told = {
            notice_for(an_attempt(state="failed", failure=code), texts).text
            for code in (
                "generic_decline",
                "lost_card",
                "stolen_card",
                "do_not_honor",
                "paid",
                None,
            )
        }
    assert told == {catalogue("en")["declined"]}


@pytest.mark.parametrize(
    "code",
    [
        "insufficient_funds",
        "card_velocity_exceeded",
        "expired_card",
        "incorrect_cvc",
        "processing_error",
        "changed",
        "unavailable",
    ],
)
def test_every_other_reason_has_its_own_text(bare_app: Flask, code: str) -> None:
    with bare_app.test_request_context():
        attempt = an_attempt(state="failed", failure=code)
        assert notice_for(attempt, Texts("en")).text == catalogue("en")[code]


def test_says_nothing_about_what_the_customer_chose(bare_app: Flask) -> None:
    with bare_app.test_request_context():
        given_up = an_attempt(state="canceled", failure="restarted")
        assert notice_for(given_up, Texts("en")).text == ""
