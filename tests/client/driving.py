"""Drive a call without a network: replies are written down, time is a number."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest

from flask_paysafer import errors
from flask_paysafer.client import PaySaferClient
from flask_paysafer.client.client import Settings
from flask_paysafer.client.flow import Environment, RateBudget
from flask_paysafer.client.hooks import Hook, Hooks
from flask_paysafer.client.operation import (
    AttemptResult,
    NoResponse,
    Operation,
    Response,
    Send,
    Sleep,
)
from flask_paysafer.profile import ApiProfile
from flask_paysafer.resources import Payment

T = TypeVar("T")

SECRET_KEY = "sk_test_acmeshop1"
PUBLISHABLE_KEY = "pk_test_acmeshop1"
BASE_URL = "https://api.paysafer.me/v1"
NOON = 1_700_000_000.0

LOST = NoResponse(sent=True, timed_out=False, reason="ReadError")
TIMED_OUT = NoResponse(sent=True, timed_out=True, reason="ReadTimeout")
UNSENT = NoResponse(sent=False, timed_out=False, reason="ConnectError")


def answer(status: int = 200, body: Any = None, /, **headers: str) -> Response:
    """An answer; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, body if isinstance(body, bytes) else json.dumps(body).encode())


def payment(**fields: Any) -> dict[str, Any]:
    """A payment's JSON."""
    return {
        "id": "pay_1",
        "object": "payment",
        "amount": 15000,
        "currency": "aed",
        "status": "succeeded",
        "created": 1709472000,
        "livemode": False,
        "metadata": {},
    } | fields


def refusal(status: int, *, code: str = "", **headers: str) -> Response:
    """An answer that is an error."""
    body = {"error": {"type": "some_error", "code": code, "message": f"Refused with {status}."}}
    return answer(status, body, **headers)


OK = answer(200, payment())
REPLAYED_DECLINE = refusal(402, idempotent_replayed="true")


class _Planner(PaySaferClient):
    """Returns the operation that a call means, and sends nothing."""

    def _execute(self, operation: Operation[Any]) -> Any:
        return operation


planned: Any = _Planner(SECRET_KEY, publishable_key=PUBLISHABLE_KEY)
"""``planned.payments.cancel("pay_1")`` is the operation of that call."""


def create(**params: Any) -> Operation[Payment]:
    """The creation of a payment."""
    operation: Operation[Payment] = planned.payments.create(
        **{"amount": 15000, "currency": "aed", **params}
    )
    return operation


def retrieve(payment_id: str = "pay_1") -> Operation[Payment]:
    """A read."""
    operation: Operation[Payment] = planned.payments.retrieve(payment_id)
    return operation


@dataclass
class World:
    """A clock that only sleeps and slow replies move, and chance that is fixed."""

    hooks: Iterable[Hook] = ()
    reserve: float | None = None
    chance: float = 0.5
    now: float = 1000.0
    sends: list[Send] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.environment = Environment(
            Hooks(self.hooks),
            RateBudget(self.reserve, ApiProfile()),
            ApiProfile(),
            clock=lambda: self.now,
            wall=lambda: NOON + self.now - 1000.0,
            random=lambda: self.chance,
        )

    def settings(self, **settings: Any) -> Settings:
        """A client's settings in this world."""
        made = PaySaferClient(SECRET_KEY, publishable_key=PUBLISHABLE_KEY, **settings)._settings
        return replace(made, environment=self.environment)

    def drive(
        self,
        operation: Operation[T],
        *replies: AttemptResult,
        takes: Mapping[int, float] | None = None,
        **settings: Any,
    ) -> T:
        """Return what the call returns when PaySafer replies so, one reply to each send.

        :param takes: How many seconds the reply of that number takes, from 0.
        """
        steps = self.settings(**settings).begin(operation)
        left = list(replies)
        reply: AttemptResult | None = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                assert not left, "fewer requests were sent than expected"
                result: T = end.value
                return result
            if isinstance(step, Sleep):
                self.sleeps.append(step.seconds)
                self.now += step.seconds
                reply = None
            else:
                assert left, "more requests were sent than expected"
                self.now += (takes or {}).get(len(self.sends), 0.0)
                self.sends.append(step)
                reply = left.pop(0)

    def fail(self, operation: Operation[Any], *replies: AttemptResult, **settings: Any) -> Any:
        """Return the error that the call raises when PaySafer replies so."""
        with pytest.raises(errors.PaySaferError) as caught:
            self.drive(operation, *replies, **settings)
        return caught.value

    def headers(self, number: int = 0) -> dict[str, str]:
        """The headers of the request of that number, from 0."""
        return dict(self.sends[number].headers)
