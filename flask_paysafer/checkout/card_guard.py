"""Refuse card data that a broken or altered page sends to the shop.

Our form can't: its card inputs have no name. A merchant's own template could, and
then the shop would have handled card numbers. Nothing that is refused is logged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_CARD_NAMES = re.compile(
    r"(card|cc)?[-_ ]?(number|num|no|cvc|cvv|csc|cvc2|cvv2|exp|expiry|expiration)"
    r"|exp[-_ ]?(month|year|date)|pan|card",
    re.IGNORECASE,
)
_LIKE_A_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9]){11,18}")


def holds_card_data(fields: Iterable[tuple[str, str]]) -> bool:
    """Tell whether any field is named like a card's, or holds a card number."""
    return any(_is_card_name(name) or _holds_number(value) for name, value in fields)


def _is_card_name(name: str) -> bool:
    return _CARD_NAMES.fullmatch(name) is not None


def _holds_number(value: str) -> bool:
    return any(passes_luhn(found.group()) for found in _LIKE_A_NUMBER.finditer(value))


def passes_luhn(text: str) -> bool:
    """Tell whether the digits in ``text`` end in the check digit that card numbers have."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
