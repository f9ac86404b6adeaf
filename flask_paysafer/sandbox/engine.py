"""Everything that one sandbox consists of.

No Flask here: the API reaches it through ``pipeline``, the control API through ``control``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any, NamedTuple

from ..profile import ApiProfile
from .clock import VirtualClock
from .deliveries import Authorisations, Deliveries
from .errors import ApiError
from .faults import Faults
from .fields import Choice, Flag, Kind, Number, Record
from .idempotency import IdempotencyKeys, Reading
from .requestlog import RequestLog, Step
from .resources import Account
from .sender import HttpSender, Sender, Signer, SignWith, link_problem
from .store import Row, Storage, Store, Tenant

MAX_RATE = 1_000_000
"""Virtual seconds per real second, at most."""

_FIELDS: dict[str, Kind] = {
    "idempotency": Choice(("replay", "strict")),
    "strict": Flag(),
    "clock_rate": Number(MAX_RATE),
    "sign_with": Choice(("auto", "virtual", "wall")),
}
CHANGE_SETTINGS = Record(_FIELDS)


@dataclass
class Settings:
    """How the API behaves."""

    idempotency: Reading = "replay"
    """Which reading of PaySafer's sentence about keys applies."""
    strict: bool = False
    """Whether routes that are only assumed are refused."""


WINDOW_SECONDS = 60
LIMITS = {"test": 100, "live": 1000}
"""Requests per window: documented."""


class Quota(NamedTuple):
    """The limit as an answer's headers give it."""

    limit: int
    remaining: int
    reset: int
    """Unix seconds at which the window ends."""
    exceeded: bool = False

    def headers(self) -> dict[str, str]:
        """Return the documented headers."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }


class RateLimits:
    """The windows of all tenants; the caller holds the store's lock."""

    def __init__(self) -> None:
        self._windows: dict[Tenant, tuple[int, int]] = {}

    def count(self, tenant: Tenant, now: float) -> Quota:
        """Count one request, and return what the tenant has left."""
        ends, used = self._window(tenant, now)
        limit = LIMITS[tenant.mode]
        if used >= limit:
            return Quota(limit, 0, ends, exceeded=True)
        self._windows[tenant] = (ends, used + 1)
        return Quota(limit, limit - used - 1, ends)

    def _window(self, tenant: Tenant, now: float) -> tuple[int, int]:
        ends, used = self._windows.get(tenant, (0, 0))
        return (ends, used) if now < ends else (_end(now), 0)

    def clear(self) -> None:
        """Begin all windows anew."""
        self._windows.clear()


def _end(now: float) -> int:
    """Return when a window ends that begins now: at a whole second, as the header tells it."""
    return int(now) + WINDOW_SECONDS


def full_quota(now: float) -> Quota:
    """Return what an answer says whose caller is nobody: a test key's limit, untouched."""
    return Quota(LIMITS["test"], LIMITS["test"], _end(now))


class Engine:
    """One local PaySafer. See :class:`.Sandbox` for what the options mean."""

    def __init__(
        self,
        *,
        db: str | Path | None = None,
        start: float | None = None,
        clock_rate: float | None = None,
        strict: bool = False,
        idempotency: Reading = "replay",
        allow_remote_webhooks: bool = False,
        sign_with: SignWith = "auto",
        signature_scheme: str | None = None,
        sender: Sender | None = None,
    ) -> None:
        storage = Storage(db) if db is not None else None
        self.clock = _clock(storage, start, clock_rate)
        self.store = Store(storage, self._notes)
        self.settings = Settings(idempotency=idempotency, strict=strict)
        self.faults = Faults(_kept_faults(storage), self.store.save_notes)
        self.keys = IdempotencyKeys(self.store)
        self.limits = RateLimits()
        self.log = RequestLog()
        self.closing = Event()
        self.public_url: str | None = None
        """Where the sandbox is served, while it is."""
        self._allow_remote = allow_remote_webhooks
        self._advancing = Lock()
        self.signer = Signer(
            sender or HttpSender(allow_remote=allow_remote_webhooks),
            self.clock,
            time.time,
            scheme=signature_scheme,
            sign_with=sign_with,
        )
        self.deliveries = Deliveries(self.store, self.clock, self.faults, self.signer)
        self.authorisations = Authorisations(self.store, self.account)
        self.deliveries.resume()

    def _notes(self) -> dict[str, Any]:
        return {
            "clock": {"now": self.clock.now(), "rate": self.clock.rate},
            "faults": self.faults.listed(),
        }

    def play(self, profile: ApiProfile) -> None:
        """Remember keys and write and sign events as the profile says."""
        self.signer.play(profile)
        self.keys.life_seconds = profile.idempotency.key_hours * 3600
        if profile.idempotency.reuse == "conflict":
            self.settings.idempotency = "strict"

    def account(self, tenant: Tenant, page_url: Callable[[str], str] = str) -> Account:
        """Return what the API's calls work with; use it inside a transaction."""
        return Account(
            tenant,
            self.store,
            self.clock.now,
            self.deliveries.announce,
            page_url,
            self.authorisations.watch,
            self._link_problem,
        )

    def find_payment(self, payment_id: str) -> tuple[Account, Row]:
        """Return a payment of any account, and the account.

        :raises ApiError: 404 if there is none.
        """
        for tenant in self.store.tenants():
            if self.store.get("payment", tenant, payment_id) is not None:
                account = self.account(tenant)
                return account, account.find("payment", payment_id)
        raise ApiError("resource_missing", f"No such payment: {payment_id[:100]}", param="id")

    def _link_problem(self, url: str) -> str | None:
        return link_problem(url, allow_remote=self._allow_remote)

    def time(self) -> dict[str, float]:
        """Return the virtual time and how fast it runs."""
        return {"now": int(self.clock.now()), "rate": self.clock.rate}

    def advance(self, seconds: float) -> None:
        """Move the clock on, through every attempt that falls due on the way."""
        with self._advancing, self.store.changed:
            self.deliveries.drain()
            self._move_to(self.clock.now() + seconds)

    def advance_to_next_retry(self) -> None:
        """Move the clock to the next attempt that waits; nothing waits, nothing moves."""
        with self._advancing, self.store.changed:
            self.deliveries.drain()
            due = self.deliveries.next_due()
            if due is not None:
                self._move_to(due)

    def _move_to(self, moment: float) -> None:
        while (due := self.deliveries.next_due()) is not None and due <= moment:
            self._step_to(due)
        self._step_to(moment)
        self.store.save_notes()

    def _step_to(self, moment: float) -> None:
        self.clock.move_to(moment)
        self.authorisations.expire(self.clock.now())
        self.store.changed.notify_all()
        self.deliveries.drain()

    def change_settings(self, data: dict[str, Any]) -> dict[str, Any]:
        """Change what is given, and return all settings.

        :raises ApiError: 400 for an unknown setting or value.
        """
        checked = CHANGE_SETTINGS.check(data)
        with self.store.changed:
            self.settings.idempotency = checked.get("idempotency", self.settings.idempotency)
            self.settings.strict = checked.get("strict", self.settings.strict)
            self.signer.sign_with = checked.get("sign_with", self.signer.sign_with)
            if "clock_rate" in checked:
                self.clock.run_at(checked["clock_rate"])
                self.store.save_notes()
            self.store.changed.notify_all()
        return {
            "idempotency": self.settings.idempotency,
            "strict": self.settings.strict,
            "clock_rate": self.clock.rate,
            "sign_with": self.signer.sign_with,
        }

    def log_step(
        self, step: str, *arguments: str, made: str | None = None, **keywords: Any
    ) -> None:
        """Remember what happened without a request, so that a copied session has it too."""
        self.log.add(Step(self.clock.now(), step, arguments, keywords, made))

    def reset(self) -> None:
        """Empty it: objects, events, deliveries, keys, faults, windows and the log."""
        with self.store.changed:
            self.store.clear()
            self.faults.clear()
            self.limits.clear()
            self.log.clear()
            self.authorisations.clear()
            self.deliveries.forget()

    def close(self) -> None:
        """End its threads and close its file; a second time does nothing."""
        if not self.closing.is_set():
            self.closing.set()
            self.deliveries.close()
            self.store.close()


def _kept_faults(storage: Storage | None) -> list[dict[str, Any]]:
    return (storage.note("faults") if storage else None) or []


def _clock(storage: Storage | None, start: float | None, rate: float | None) -> VirtualClock:
    kept = (storage.note("clock") if storage else None) or {"now": time.time(), "rate": 1.0}
    return VirtualClock(
        start=kept["now"] if start is None else start,
        rate=kept["rate"] if rate is None else rate,
    )
