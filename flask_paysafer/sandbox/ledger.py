"""What the sandbox remembers: rows on shelves, changed in transactions.

Rows are replaced, never changed in place, so a row that was read stays as it
was. Fields that begin with an underscore are the sandbox's own and never shown.
One lock guards it all; who waits for something waits on ``changed``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .realms import Realm
from .storage import Place, Storage

Row = dict[str, Any]


def shown(row: Row) -> Row:
    """Return the row as the API shows it."""
    return {name: value for name, value in row.items() if name[0] != "_"}


class Shelf:
    """The rows of one kind in one realm, in the order in which they were made.

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


class Ledger:
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
        self._shelves: dict[tuple[str, Realm], Shelf] = {}
        self._last_seq = 0
        self._depth = 0
        self._before: dict[Place, Row | None] = {}
        self._load()

    def _load(self) -> None:
        for place, row in self._storage.rows() if self._storage else ():
            self.shelf(place.kind, _realm(place)).put(row)
            self._last_seq = max(self._last_seq, row["_seq"])

    def shelf(self, kind: str, realm: Realm) -> Shelf:
        """Return the shelf of this kind, empty if nothing was put there yet."""
        try:
            return self._shelves[kind, realm]
        except KeyError:
            return self._shelves.setdefault((kind, realm), Shelf())

    def get(self, kind: str, realm: Realm, row_id: str) -> Row | None:
        """Return the row, or None."""
        return self.shelf(kind, realm).rows.get(row_id)

    def rows(self, kind: str) -> list[tuple[Realm, Row]]:
        """Return the rows of this kind of all realms, oldest first."""
        found = [
            (realm, row)
            for (held, realm), shelf in list(self._shelves.items())
            if held == kind
            for row in list(shelf.rows.values())
        ]
        return sorted(found, key=lambda pair: pair[1]["_seq"])

    def realms(self) -> list[Realm]:
        """Return the realms that hold anything, in order."""
        return sorted({realm for (_, realm), shelf in self._shelves.items() if shelf.rows})

    def put(self, kind: str, realm: Realm, row: Row) -> Row:
        """Add or replace a row; only inside a transaction."""
        shelf = self.shelf(kind, realm)
        old = shelf.rows.get(row["id"])
        self._before.setdefault(Place(kind, *realm, row["id"]), old)
        if old is None:
            self._last_seq += 1
        stored = {**row, "_seq": old["_seq"] if old else self._last_seq}
        shelf.put(stored)
        return stored

    def discard(self, kind: str, realm: Realm, row_id: str) -> None:
        """Remove a row; only inside a transaction."""
        old = self.shelf(kind, realm).rows.pop(row_id)
        self._before.setdefault(Place(kind, *realm, row_id), old)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All changes made inside come to be together, or not at all."""
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
        return self.get(place.kind, _realm(place), place.id)

    def _roll_back(self) -> None:
        for place, old in self._before.items():
            shelf = self.shelf(place.kind, _realm(place))
            if old is None:
                shelf.rows.pop(place.id, None)
            else:
                shelf.put(old)
        self._before = {}

    def save_notes(self) -> None:
        """Write the notes without waiting for a transaction."""
        with self.changed:
            if self._storage:
                self._storage.save((), self._notes())

    def clear(self) -> None:
        """Forget everything."""
        with self.changed:
            if self._storage:
                self._storage.clear()
            self._shelves = {}

    def close(self) -> None:
        """Write the notes and close the storage."""
        with self.changed:
            self.save_notes()
            if self._storage:
                self._storage.close()
                self._storage = None


def _realm(place: Place) -> Realm:
    return Realm(place.account, "live" if place.mode == "live" else "test")
