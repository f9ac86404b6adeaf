"""Keep the ledger in one SQLite file.

A transaction of the ledger is one transaction here, so a process that is
killed leaves either all of it or nothing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigurationError

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS row (
    kind TEXT, account TEXT, mode TEXT, id TEXT, seq INTEGER, body TEXT,
    PRIMARY KEY (kind, account, mode, id)
);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, body TEXT);
COMMIT;
"""
_SAVE = "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?, ?, ?)"
_DROP = "DELETE FROM row WHERE kind = ? AND account = ? AND mode = ? AND id = ?"


class Place(NamedTuple):
    """Where a row stands."""

    kind: str
    account: str
    mode: str
    id: str


class Storage:
    """The file that ``--db`` names. One process at a time.

    :raises ConfigurationError: if another sandbox has the file, or it is something else.
    """

    def __init__(self, path: str | Path) -> None:
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(
                f"The sandbox can't use {path}: {error}. Another sandbox may have it open, or it "
                "isn't a file of the sandbox; name another one with --db."
            ) from error

    def rows(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """Yield every row, in the order in which they were made."""
        found = self._connection.execute(
            "SELECT kind, account, mode, id, body FROM row ORDER BY seq"
        )
        for kind, account, mode, row_id, body in found:
            yield Place(kind, account, mode, row_id), json.loads(body)

    def note(self, name: str) -> Any:
        """Return what was noted under ``name``, or None."""
        found = self._connection.execute("SELECT body FROM note WHERE name = ?", (name,)).fetchone()
        return found and json.loads(found[0])

    def save(
        self, rows: Iterable[tuple[Place, dict[str, Any] | None]], notes: dict[str, Any]
    ) -> None:
        """Write rows (None: drop it) and notes, all or none."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            for place, row in rows:
                self._write(place, row)
            for name, value in notes.items():
                self._connection.execute(
                    "INSERT OR REPLACE INTO note VALUES (?, ?)", (name, json.dumps(value))
                )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise

    def _write(self, place: Place, row: dict[str, Any] | None) -> None:
        if row is None:
            self._connection.execute(_DROP, place)
        else:
            self._connection.execute(_SAVE, (*place, row["_seq"], json.dumps(row)))

    def clear(self) -> None:
        """Forget every row."""
        self._connection.execute("DELETE FROM row")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _open(path: str | Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, check_same_thread=False, timeout=1, isolation_level=None)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
