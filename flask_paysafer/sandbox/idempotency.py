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

from .errors import ApiError
from .store import Row, Store, Tenant

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
    """The keys of all tenants; the caller holds the store's lock."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.running: set[tuple[Tenant, str]] = set()
        """The keys of calls that were not answered yet."""
        self.life_seconds = 24 * 3600
        """How long a key is remembered, in virtual seconds."""

    def take(
        self, tenant: Tenant, key: str, call: str, *, now: float, reading: Reading
    ) -> Row | None:
        """Take the key for this call, or return the answer that it got before.

        :raises ApiError: 409 if the key belongs to another call, or to one that
            is still running, or (in the strict reading) to any call.
        """
        self._drop_old(tenant, now)
        if (tenant, key) in self.running:
            raise ApiError(
                "idempotency_key_in_use",
                "A request with this idempotency key is still being processed. Ask again "
                "with the same key.",
            )
        kept = self._store.get("idempotency_key", tenant, key)
        if kept is None:
            self.running.add((tenant, key))
        elif reading == "strict" or kept["_call"] != call:
            raise ApiError(
                "idempotency_key_reused",
                "A request with this idempotency key already exists"
                + ("." if reading == "strict" else ", and it was another call."),
            )
        return kept

    def _drop_old(self, tenant: Tenant, now: float) -> None:
        rows = self._store.table("idempotency_key", tenant).rows
        while rows:
            oldest = next(iter(rows.values()))
            if oldest["_expires"] > now:
                return
            with self._store.transaction():
                self._store.discard("idempotency_key", tenant, oldest["id"])

    def keep(self, tenant: Tenant, key: str, call: str, row: Row, *, taken: float) -> None:
        """Store the answer, in the transaction of the work; the key is no longer running."""
        self._store.put(
            "idempotency_key",
            tenant,
            {"id": key, **row, "_call": call, "_expires": taken + self.life_seconds},
        )

    def release(self, tenant: Tenant, key: str) -> None:
        """The call is over; without an answer that was kept, the key is free again."""
        self.running.discard((tenant, key))
