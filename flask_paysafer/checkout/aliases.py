"""Other names of one order: ``01`` and ``1.0`` find order 1 in many a loader.

Each name would have a row, a page and a charge of its own.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

_LONGEST = 40
"""Digits of the longest number that is worked out from an exponent."""


def plain_numbers(reference: str) -> list[str]:
    """Return how the number in ``reference`` is plainly written.

    Two ways where it is so long that databases round it. None where it is no whole
    number, or is written plainly already.
    """
    # As loaders and databases read numbers: int() takes "+1" and Arabic digits, SQLite "1e0".
    try:
        numbers = {int(reference)}
    except ValueError:
        numbers = _whole_numbers(reference)
    return sorted({str(number) for number in numbers} - {reference})


def _whole_numbers(text: str) -> set[int]:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return set()
    if not number.is_finite() or number.adjusted() > _LONGEST:
        return set()
    exact = {int(number)} if number == number.to_integral_value() else set()
    rounded = float(number)
    return exact | ({int(rounded)} if rounded.is_integer() and rounded else set())
