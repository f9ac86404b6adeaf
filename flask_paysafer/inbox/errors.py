"""What the inbox raises."""

from __future__ import annotations

from ..errors import PaySaferError


class InboxUnavailableError(PaySaferError):
    """The inbox's database is down, locked, full, read-only or not set up.

    Nothing was stored, or all of it was: nothing is half-done. Whoever sent the
    event is to be asked to come again (503 with ``Retry-After``).
    """


class PayloadUnreadableError(PaySaferError):
    """A stored payload can't be decrypted with the keys that are set.

    The row is kept as it is; with the key it was written with it reads again.
    """


def is_unfit_value(error: Exception) -> bool:
    """Tell whether a database refused a value that its column can't hold or be compared with."""
    # Not above: SQLAlchemy is imported when the inbox is first used.
    from sqlalchemy.exc import DataError

    return isinstance(error, DataError)
