"""Tables of rows, changed in transactions; optionally kept in a SQLite file.

Rows are replaced, never changed in place, so a row that was read stays as it was. Fields
that begin with an underscore are the sandbox's own and never shown. One lock guards
everything; threads that wait for a change wait on ``Store.changed``. A transaction of the
store is one transaction of the file, so a killed process leaves either all of it or nothing.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
import string
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ..errors import ConfigurationError
from .errors import ApiError

_ALPHABET = (string.digits + string.ascii_letters).encode()
# 62 characters don't divide 256 evenly: a few come a little more often, which
# costs less than one bit of 140 and makes an id forty times as fast to draw.
_CHARACTERS = bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in range(256))


def new_id(prefix: str) -> str:
    """Return ``prefix``, an underscore and 24 random letters and digits."""
    return f"{prefix}_{random_text(24)}"


def random_text(length: int) -> str:
    """Return ``length`` letters and digits that nobody can guess."""
    return secrets.token_bytes(length).translate(_CHARACTERS).decode()


Mode = Literal["test", "live"]

_KEY = re.compile(r"(sk|pk)_(test|live)_([A-Za-z0-9_\-]{8,255})")
_ACCOUNT = re.compile(r"[A-Za-z0-9_\-]{8,255}")


class Tenant(NamedTuple):
    """One side of one account: what its keys can see."""

    account: str
    mode: Mode

    @property
    def livemode(self) -> bool:
        """Whether objects of this side say ``"livemode": true``."""
        return self.mode == "live"


class Caller(NamedTuple):
    """Who a request comes from, by its key."""

    tenant: Tenant
    is_secret: bool


def identify(authorization: str | None) -> Caller:
    """Return who the ``Authorization`` header names.

    :raises ApiError: 401 for a missing or malformed key.
    """
    if authorization is None or not authorization.strip():
        raise ApiError(
            "api_key_missing",
            "You did not provide an API key. Send it in the header: "
            "Authorization: Bearer sk_test_… (any 8 or more letters and digits after it).",
        )
    scheme, _, key = authorization.strip().partition(" ")
    match = _KEY.fullmatch(key.strip())
    if scheme.lower() != "bearer" or match is None:
        raise ApiError(
            "api_key_invalid",
            "Invalid API key. The sandbox takes sk_test_, sk_live_, pk_test_ or pk_live_ "
            "followed by 8 or more letters, digits, - or _, as a Bearer token.",
        )
    mode: Mode = "live" if match[2] == "live" else "test"
    return Caller(Tenant(match[3], mode), is_secret=match[1] == "sk")


def is_account(name: str) -> bool:
    """Tell whether ``name`` could be what follows ``sk_test_`` in a key, and is no whole key."""
    return _ACCOUNT.fullmatch(name) is not None and _KEY.fullmatch(name) is None


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
    """The key of a row."""

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


Row = dict[str, Any]


def shown(row: Row) -> Row:
    """Return the row as the API shows it."""
    return {name: value for name, value in row.items() if name[0] != "_"}


class Table:
    """The rows of one kind in one tenant, in the order in which they were made.

    Places are never given away again: a cursor stays good when its row is gone.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.ids: list[str] = []
        self.places: dict[str, int] = {}

    def put(self, row: Row) -> None:
        """Add the row, or replace the one of the same id."""
        row_id = row["id"]
        if row_id not in self.places:
            self.places[row_id] = len(self.ids)
            self.ids.append(row_id)
        self.rows[row_id] = row


class Store:
    """Every row of every account.

    :param storage: Where to keep it; None keeps it in memory only.
    :param notes: Called at each commit: what else has to be written with it.
    """

    def __init__(
        self, storage: Storage | None = None, notes: Callable[[], dict[str, Any]] = dict
    ) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._storage = storage
        self._notes = notes
        self._tables: dict[tuple[str, Tenant], Table] = {}
        self._last_seq = 0
        self._depth = 0
        self._before: dict[Place, Row | None] = {}
        self._load()

    def _load(self) -> None:
        for place, row in self._storage.rows() if self._storage else ():
            self.table(place.kind, _tenant(place)).put(row)
            self._last_seq = max(self._last_seq, row["_seq"])

    def table(self, kind: str, tenant: Tenant) -> Table:
        """Return the table of this kind, empty if nothing was put there yet."""
        try:
            return self._tables[kind, tenant]
        except KeyError:
            return self._tables.setdefault((kind, tenant), Table())

    def get(self, kind: str, tenant: Tenant, row_id: str) -> Row | None:
        """Return the row, or None."""
        return self.table(kind, tenant).rows.get(row_id)

    def rows(self, kind: str) -> list[tuple[Tenant, Row]]:
        """Return the rows of this kind of all tenants, oldest first."""
        found = [
            (tenant, row)
            for (held, tenant), table in list(self._tables.items())
            if held == kind
            for row in list(table.rows.values())
        ]
        return sorted(found, key=lambda pair: pair[1]["_seq"])

    def tenants(self) -> list[Tenant]:
        """Return the tenants that hold anything, in order."""
        return sorted({tenant for (_, tenant), table in self._tables.items() if table.rows})

    def put(self, kind: str, tenant: Tenant, row: Row) -> Row:
        """Add or replace a row; only inside a transaction."""
        table = self.table(kind, tenant)
        old = table.rows.get(row["id"])
        self._before.setdefault(Place(kind, *tenant, row["id"]), old)
        if old is None:
            self._last_seq += 1
        stored = {**row, "_seq": old["_seq"] if old else self._last_seq}
        table.put(stored)
        return stored

    def discard(self, kind: str, tenant: Tenant, row_id: str) -> None:
        """Remove a row; only inside a transaction."""
        old = self.table(kind, tenant).rows.pop(row_id)
        self._before.setdefault(Place(kind, *tenant, row_id), old)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes made inside, or none of them."""
        with self.changed:
            self._depth += 1
            try:
                yield
                if self._depth == 1:
                    self._commit()
            except BaseException:
                if self._depth == 1:
                    self._roll_back()
                raise
            finally:
                self._depth -= 1

    def _commit(self) -> None:
        if self._storage and self._before:
            self._storage.save(((place, self._row(place)) for place in self._before), self._notes())
        self._before = {}
        self.changed.notify_all()

    def _row(self, place: Place) -> Row | None:
        return self.get(place.kind, _tenant(place), place.id)

    def _roll_back(self) -> None:
        for place, old in self._before.items():
            table = self.table(place.kind, _tenant(place))
            if old is None:
                table.rows.pop(place.id, None)
            else:
                table.put(old)
        self._before = {}

    def save_notes(self) -> None:
        """Write the notes without waiting for a transaction."""
        with self.changed:
            if self._storage:
                self._storage.save((), self._notes())

    def clear(self) -> None:
        """Delete all rows."""
        with self.changed:
            if self._storage:
                self._storage.clear()
            self._tables = {}

    def close(self) -> None:
        """Write the notes and close the storage."""
        with self.changed:
            self.save_notes()
            if self._storage:
                self._storage.close()
                self._storage = None


def _tenant(place: Place) -> Tenant:
    return Tenant(place.account, "live" if place.mode == "live" else "test")
