"""What can be done to a sandbox from outside the API; steering and Python share it."""

from __future__ import annotations

from typing import Any

from . import endpoints
from .engine import Engine
from .failures import ApiError, invalid
from .fields import Number
from .ledger import shown
from .seeding import seed
from .triggers import authenticate, event_of, happen, realm_named

TEST_ACCOUNT = "acmeshop1"
"""Whose client a copied test has."""
OBJECTS = ("payment", "customer", "webhook_endpoint", "token", "dispute", "payout")
"""The kinds of objects that can be listed across accounts."""
NEXT_RETRY = "next-retry"
_STEP = Number(10 * 366 * 24 * 3600)


class Verbs:
    """Steer a sandbox. Every method answers with plain JSON values."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def clock(self) -> dict[str, float]:
        """Return ``{"now": unix seconds, "rate": n}`` of the virtual clock."""
        return self.engine.time()

    def advance(self, seconds: float | None = None, *, to: str | None = None) -> dict[str, float]:
        """Move the clock on, and return it once everything due on the way was delivered.

        :param seconds: How far, in virtual seconds.
        :param to: ``"next-retry"`` instead: to the next delivery that waits.
        :raises ApiError: 400 if both or neither are given.
        """
        if (seconds is None) == (to is None):
            raise ApiError(
                "parameter_missing", 'Give either seconds or to="next-retry".', param="seconds"
            )
        if seconds is not None:
            self.engine.advance(_STEP.check(seconds, "seconds"))
        elif to == NEXT_RETRY:
            self.engine.advance_to_next_retry()
        else:
            raise invalid("to", f"must be {NEXT_RETRY}.")
        return self.clock()

    def fault(self, kind: str, **options: Any) -> dict[str, Any]:
        """Arm a fault and return it.

        :param options: ``method``, ``path`` (with ``/v1``), ``times`` and ``seconds``.
        :raises ApiError: 400 for an unknown kind or option.
        """
        given = {name: value for name, value in options.items() if value is not None}
        with self.engine.ledger.changed:
            return self.engine.faults.arm({"kind": kind, **given}).shown()

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that still wait."""
        with self.engine.ledger.changed:
            return self.engine.faults.listed()

    def clear_faults(self) -> None:
        """Disarm every fault."""
        with self.engine.ledger.changed:
            self.engine.faults.clear()

    def trigger(self, type: str, **order: Any) -> dict[str, Any]:  # noqa: A002 (the route's name)
        """Make an event happen and return it.

        :param type: One of the ten documented types, or a future one.
        :param order: ``account`` (what follows ``sk_test_``), ``mode``,
            ``payment``, ``amount`` and ``data``.
        :raises ApiError: for what the state machine forbids, and unknown fields.
        """
        return event_of(type, self.happen(type, **order))

    def happen(self, type: str, **order: Any) -> list[dict[str, Any]]:  # noqa: A002 (as above)
        """Make an event happen and return all that came of it, in order.

        A refund needs a payment: if none is named, two other events are made before it.
        Takes what :meth:`trigger` takes.
        """
        given = {name: value for name, value in order.items() if value is not None}
        made = happen(self.engine, {"type": type, **given})
        told = {name: given[name] for name in ("payment", "amount", "data") if name in given}
        about = event_of(type, made)["data"].get("id")
        self.engine.tell("paysafer_sandbox.trigger", type, made=about, account=TEST_ACCOUNT, **told)
        return made

    def authenticate(self, payment: str, *, passed: bool = True) -> dict[str, Any]:
        """Answer for the cardholder of a payment in ``requires_action``, and return the payment.

        :param passed: False: the cardholder refuses.
        :raises ApiError: 404 for an unknown payment, 422 for one that waits for nobody.
        """
        with self.engine.ledger.transaction():
            account, row = self.engine.find_payment(payment)
            return shown(authenticate(self.engine, account, row, passed=passed))

    def events(self) -> list[dict[str, Any]]:
        """Return all events of all accounts, whole as they are delivered, oldest first."""
        with self.engine.ledger.changed:
            return [shown(row) for _, row in self.engine.ledger.rows("event")]

    def deliveries(self) -> list[dict[str, Any]]:
        """Return all deliveries with their attempts, oldest first."""
        return self._listed("delivery")

    def requests(self) -> list[dict[str, Any]]:
        """Return the latest requests to the API and their answers, oldest first."""
        return self.engine.log.listed()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind (one of :data:`OBJECTS`), oldest first.

        :raises ApiError: 404 for another kind.
        """
        if kind not in OBJECTS:
            raise ApiError("resource_missing", f"No such kind: {kind[:100]}")
        return self._listed(kind)

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        with self.engine.ledger.changed:
            self.engine.authorisations.expire(self.engine.clock.now())
            rows = self.engine.ledger.rows(kind)
        return [{**shown(row), "account": realm.account, "mode": realm.mode} for realm, row in rows]

    def resend(self, delivery: str) -> dict[str, Any]:
        """Deliver once more, now, and return the delivery after it.

        :raises ApiError: 404 for an unknown id.
        """
        return self.engine.deliveries.resend(delivery)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Change what is given and return all settings.

        :param changes: ``idempotency``, ``strict``, ``clock_rate`` and ``sign_with``.
        :raises ApiError: 400 for an unknown setting or value.
        """
        return self.engine.change_settings(changes)

    def register(self, url: str, account: str = "acmeshop1") -> dict[str, Any]:
        """Send the account's test events to ``url`` and return the endpoint with its secret.

        An endpoint that was registered for the address before stays the one.

        :raises ApiError: 400 for an address that nothing may be sent to.
        """
        with self.engine.ledger.transaction():
            return endpoints.register(self.engine.account(realm_named(account)), url)

    def reset(self) -> None:
        """Empty the sandbox; settings and the clock stay."""
        self.engine.reset()

    def seed(self, account: str = "acmeshop1") -> dict[str, Any]:
        """Fill an account's test side with a small shop's history.

        :return: The account, its keys and how many objects it has now.
        """
        seeded = seed(self.engine, account)
        self.engine.tell("paysafer_sandbox.seed")
        return seeded
