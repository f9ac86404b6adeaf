"""Other names of one order: ``01`` and ``1.0`` find order 1 in many a loader.

Each name would have a row, a page and a charge of its own.
"""

from __future__ import annotations

_EXACT = 2**53
"""From here on a float is no longer one whole number."""


def plain_number(reference: str) -> str | None:
    """Return how the number in ``reference`` is plainly written.

    :returns: None where it is no whole number, or is written plainly already.
    """
    number = _whole_number(reference)
    plain = None if number is None else str(number)
    return plain if plain != reference else None


def _whole_number(text: str) -> int | None:
    # As loaders and databases read numbers: int() takes "+1" and Arabic digits, SQLite "1e0".
    try:
        return int(text)
    except ValueError:
        return _whole_float(text)


def _whole_float(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if abs(number) < _EXACT and number.is_integer() else None
