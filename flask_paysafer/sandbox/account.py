"""What the calls of the API work with: the rows of one realm, the time, and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from .failures import ApiError
from .ids import new_id
from .ledger import Ledger, Row, Shelf, shown
from .realms import Realm

API_VERSION = "2026-01-15"
"""The version that events say they are of."""


class Result(NamedTuple):
    """What a call is answered with, once its work is committed."""

    body: dict[str, Any]
    status: int = 200


@dataclass(frozen=True)
class Account:
    """One realm at work; everything here happens inside one transaction."""

    realm: Realm
    ledger: Ledger
    clock: Callable[[], float]
    announce: Callable[[Realm, Row], None]
    """Gets each new event: makes its deliveries."""
    page_url: Callable[[str], str]
    """Gives a path of the sandbox's own pages as a whole address."""
    watch: Callable[[Realm, Row], None]
    """Gets each payment that holds an authorisation: lets it run out in time."""
    link_problem: Callable[[str], str | None]
    """Tells why webhooks can't be sent to an address, or None."""

    def now(self) -> int:
        """Return the virtual time in whole unix seconds."""
        return int(self.clock())

    def shelf(self, kind: str) -> Shelf:
        """Return the realm's rows of one kind."""
        return self.ledger.shelf(kind, self.realm)

    def put(self, kind: str, row: Row) -> Row:
        """Add or replace a row."""
        return self.ledger.put(kind, self.realm, row)

    def find(self, kind: str, row_id: str) -> Row:
        """Return the row that an address names.

        :raises ApiError: 404 if there is none.
        """
        row = self.ledger.get(kind, self.realm, row_id)
        if row is None:
            raise ApiError("resource_missing", f"No such {kind}: {row_id[:100]}", param="id")
        return row

    def refer(self, kind: str, row_id: str, param: str) -> Row:
        """Return the row that a field of the body names.

        :raises ApiError: 400 with ``param`` if there is none.
        """
        row = self.ledger.get(kind, self.realm, row_id)
        if row is None:
            raise ApiError("reference_missing", f"No such {kind}: {row_id[:100]}", param=param)
        return row

    def new(self, prefix: str, kind: str, fields: Row) -> Row:
        """Add a row with an id, its kind, the time and the mode."""
        return self.put(
            kind,
            {
                "id": new_id(prefix),
                "object": kind,
                **fields,
                "created": self.now(),
                "livemode": self.realm.livemode,
            },
        )

    def emit(self, event_type: str, row: Row) -> Row:
        """Record that something happened to ``row``, as it is now."""
        event = self.put(
            "event",
            {
                "id": new_id("evt"),
                "object": "event",
                "type": event_type,
                "api_version": API_VERSION,
                "created": self.now(),
                "data": shown(row),
            },
        )
        self.announce(self.realm, event)
        return event
