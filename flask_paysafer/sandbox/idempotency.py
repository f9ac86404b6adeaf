"""Idempotency keys: taken when a request arrives, kept with its answer for a day.

PaySafer's sentence about keys can be read in two ways, so there are two: in
``replay`` the same call with the same key gets the first answer again, in
``strict`` any reuse of a key is 409.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Literal

from .failures import ApiError
from .ledger import Ledger, Row
from .realms import Realm

LIFE_SECONDS = 24 * 3600
"""How long a key lives, in virtual seconds."""
KEY_PATTERN = "[!-~]([ -~]{0,253}[!-~])?"
"""1 to 255 printable ASCII characters; spaces around them are HTTP's own."""

Reading = Literal["replay", "strict"]


def fingerprint(method: str, path: str, body: Any) -> str:
    """Return what makes two calls the same: the method, the address and the JSON sent."""
    text = json.dumps([method, path, body], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def check_key(key: str) -> str:
    """Return the key of a request if it is usable.

    :raises ApiError: 400 for one that is empty, too long or not printable.
    """
    if not re.fullmatch(KEY_PATTERN, key):
        raise ApiError(
            "parameter_invalid",
            "Invalid Idempotency-Key: it must be 1 to 255 printable ASCII characters.",
            param="Idempotency-Key",
        )
    return key


class IdempotencyKeys:
    """The keys of all realms; the caller holds the ledger's lock."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.running: set[tuple[Realm, str]] = set()
        """The keys of calls that were not answered yet."""

    def take(
        self, realm: Realm, key: str, call: str, *, now: float, reading: Reading
    ) -> Row | None:
        """Take the key for this call, or return the answer that it got before.

        :raises ApiError: 409 if the key belongs to another call, or to one that
            is still running, or (in the strict reading) to any call.
        """
        self._drop_old(realm, now)
        if (realm, key) in self.running:
            raise ApiError(
                "idempotency_key_in_use",
                "A request with this idempotency key is still being processed. Ask again "
                "with the same key.",
            )
        kept = self._ledger.get("idempotency_key", realm, key)
        if kept is None:
            self.running.add((realm, key))
        elif reading == "strict" or kept["_call"] != call:
            raise ApiError(
                "idempotency_key_reused",
                "A request with this idempotency key already exists"
                + ("." if reading == "strict" else ", and it was another call."),
            )
        return kept

    def _drop_old(self, realm: Realm, now: float) -> None:
        rows = self._ledger.shelf("idempotency_key", realm).rows
        while rows:
            oldest = next(iter(rows.values()))
            if oldest["_expires"] > now:
                return
            with self._ledger.transaction():
                self._ledger.discard("idempotency_key", realm, oldest["id"])

    def keep(self, realm: Realm, key: str, call: str, row: Row, *, taken: float) -> None:
        """Store the answer, in the transaction of the work; the key is no longer running."""
        self._ledger.put(
            "idempotency_key",
            realm,
            {"id": key, **row, "_call": call, "_expires": taken + LIFE_SECONDS},
        )

    def release(self, realm: Realm, key: str) -> None:
        """The call is over; without an answer that was kept, the key is free again."""
        self.running.discard((realm, key))
