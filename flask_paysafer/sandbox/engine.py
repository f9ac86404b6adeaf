"""Everything one sandbox consists of, and what can be done to it from outside the API.

No Flask here: the API's way in is ``gateway``, steering's is ``steering``, and
both come down to this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event, Lock
from typing import Any

from .account import Account
from .authorisations import Authorisations
from .clock import VirtualClock
from .courier import Courier, HttpCourier, link_problem
from .deliveries import Deliveries
from .failures import ApiError
from .faults import Faults
from .idempotency import IdempotencyKeys, Reading
from .ledger import Ledger, Row
from .postman import Postman, SignWith
from .ratelimits import RateLimits
from .realms import Realm
from .requestlog import RequestLog, Step
from .settings import CHANGE_SETTINGS, Settings
from .storage import Storage


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
        signature_scheme: str = "timestamped",
        courier: Courier | None = None,
    ) -> None:
        storage = Storage(db) if db is not None else None
        self.clock = _clock(storage, start, clock_rate)
        self.ledger = Ledger(storage, self._notes)
        self.settings = Settings(idempotency=idempotency, strict=strict)
        self.faults = Faults(_kept_faults(storage), self.ledger.save_notes)
        self.keys = IdempotencyKeys(self.ledger)
        self.limits = RateLimits()
        self.log = RequestLog()
        self.closing = Event()
        self._allow_remote = allow_remote_webhooks
        self._advancing = Lock()
        self.postman = Postman(
            courier or HttpCourier(allow_remote=allow_remote_webhooks),
            self.clock,
            time.time,
            scheme=signature_scheme,
            sign_with=sign_with,
        )
        self.deliveries = Deliveries(self.ledger, self.clock, self.faults, self.postman)
        self.authorisations = Authorisations(self.ledger, self.account)
        self.deliveries.take_up()

    def _notes(self) -> dict[str, Any]:
        return {
            "clock": {"now": self.clock.now(), "rate": self.clock.rate},
            "faults": self.faults.listed(),
        }

    def account(self, realm: Realm, page_url: Callable[[str], str] = str) -> Account:
        """Return what the API's calls work with; use it inside a transaction."""
        return Account(
            realm,
            self.ledger,
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
        for realm in self.ledger.realms():
            if self.ledger.get("payment", realm, payment_id) is not None:
                account = self.account(realm)
                return account, account.find("payment", payment_id)
        raise ApiError("resource_missing", f"No such payment: {payment_id[:100]}", param="id")

    def _link_problem(self, url: str) -> str | None:
        return link_problem(url, allow_remote=self._allow_remote)

    def time(self) -> dict[str, float]:
        """Return the virtual time and how fast it runs."""
        return {"now": int(self.clock.now()), "rate": self.clock.rate}

    def advance(self, seconds: float) -> None:
        """Move the clock on, through every attempt that falls due on the way."""
        with self._advancing, self.ledger.changed:
            self.deliveries.drain()
            self._move_to(self.clock.now() + seconds)

    def advance_to_next_retry(self) -> None:
        """Move the clock to the next attempt that waits; nothing waits, nothing moves."""
        with self._advancing, self.ledger.changed:
            self.deliveries.drain()
            due = self.deliveries.next_due()
            if due is not None:
                self._move_to(due)

    def _move_to(self, moment: float) -> None:
        while (due := self.deliveries.next_due()) is not None and due <= moment:
            self._step_to(due)
        self._step_to(moment)
        self.ledger.save_notes()

    def _step_to(self, moment: float) -> None:
        self.clock.move_to(moment)
        self.authorisations.expire(self.clock.now())
        self.ledger.changed.notify_all()
        self.deliveries.drain()

    def change_settings(self, data: dict[str, Any]) -> dict[str, Any]:
        """Change what is given, and return all settings.

        :raises ApiError: 400 for an unknown setting or value.
        """
        checked = CHANGE_SETTINGS.check(data)
        with self.ledger.changed:
            self.settings.idempotency = checked.get("idempotency", self.settings.idempotency)
            self.settings.strict = checked.get("strict", self.settings.strict)
            self.postman.sign_with = checked.get("sign_with", self.postman.sign_with)
            if "clock_rate" in checked:
                self.clock.run_at(checked["clock_rate"])
                self.ledger.save_notes()
            self.ledger.changed.notify_all()
        return {
            "idempotency": self.settings.idempotency,
            "strict": self.settings.strict,
            "clock_rate": self.clock.rate,
            "sign_with": self.postman.sign_with,
        }

    def tell(self, step: str, *arguments: str, made: str | None = None, **keywords: Any) -> None:
        """Remember what happened without a request, so that a copied session has it too."""
        self.log.add(Step(self.clock.now(), step, arguments, keywords, made))

    def reset(self) -> None:
        """Empty it: objects, events, deliveries, keys, faults, windows and the log."""
        with self.ledger.changed:
            self.ledger.clear()
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
            self.ledger.close()


def _kept_faults(storage: Storage | None) -> list[dict[str, Any]]:
    return (storage.note("faults") if storage else None) or []


def _clock(storage: Storage | None, start: float | None, rate: float | None) -> VirtualClock:
    kept = (storage.note("clock") if storage else None) or {"now": time.time(), "rate": 1.0}
    return VirtualClock(
        start=kept["now"] if start is None else start,
        rate=kept["rate"] if rate is None else rate,
    )
