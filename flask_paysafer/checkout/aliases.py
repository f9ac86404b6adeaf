"""Other names of one order: ``01`` and ``1.0`` find order 1 in many a loader.

Each name would have a row, a page and a charge of its own.
"""

from __future__ import annotations

_LONGEST = 18
"""Digits that a database's whole numbers can have."""


def plain_number(reference: str) -> str | None:
    """Return how the number in ``reference`` is plainly written.

    :returns: None where it is no whole number, or is written plainly already.
    """
    number = _whole_number(reference)
    plain = None if number is None else str(number)
    return plain if plain != reference else None


def _whole_number(text: str) -> int | None:
    # As loaders and databases read numbers: int() takes "+1" and Arabic digits, SQLite "1e0".
    for read in (int, float):
        try:
            number = read(text)
        except ValueError:
            continue
        is_usable = abs(number) < 10**_LONGEST and number == int(number)
        return int(number) if is_usable else None
    return None
