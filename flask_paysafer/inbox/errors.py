"""What a database's refusal means."""

from __future__ import annotations


def is_unfit_value(error: Exception) -> bool:
    """Tell whether a database refused a value that its column can't hold or be compared with."""
    # Not above: SQLAlchemy is imported when the inbox is first used.
    from sqlalchemy.exc import DataError

    return isinstance(error, DataError)
