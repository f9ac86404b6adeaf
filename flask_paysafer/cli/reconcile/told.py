"""The facts that events told of, in a temporary file: as many as there are, in little memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from ...inbox.reconciliation import Fact

_ADD = (
    "INSERT INTO told VALUES (?, ?, ?) "
    "ON CONFLICT DO UPDATE SET amount = max(amount, excluded.amount)"
)


class Told:
    """A set of facts, of which a greater sum given back covers a smaller one."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        # No name: a file that SQLite keeps to itself and deletes with the connection.
        self._file = sqlite3.connect("")
        self._file.execute(
            "CREATE TABLE told (type TEXT, object_id TEXT, amount INTEGER, "
            "PRIMARY KEY (type, object_id)) WITHOUT ROWID"
        )
        self._file.executemany(_ADD, facts)

    def covers(self, fact: Fact) -> bool:
        """Whether an event told of the fact."""
        query = "SELECT 1 FROM told WHERE type = ? AND object_id = ? AND amount >= ?"
        return self._file.execute(query, fact).fetchone() is not None

    def __enter__(self) -> Told:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._file.close()
