"""Whatever happens, in whatever order: an order is paid at most once, and the page knows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_paysafer import Event
from flask_paysafer.checkout.service import Choice, NotFreeYetError
from flask_paysafer.errors import TooManyAttemptsError
from flask_paysafer.money import Money
from flask_paysafer.sandbox import Sandbox
from tests.checkout.shop import CHALLENGE, DECLINED, GOOD, PAGE, Killed, Shop

pytestmark = pytest.mark.slow

CREATE: dict[str, Any] = {"method": "POST", "path": "/v1/payments"}
SECONDS = (2, 31, 700, 5_000, 30 * 3600)

Step = Callable[["Course"], Any]


class Course:
    """One shop, two workers, and a customer who does not sit still."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.workers = [Shop(sandbox, folder) for _ in range(2)]
        for worker in self.workers[1:]:
            worker.orders = self.workers[0].orders
            worker.paysafer.order_loader(worker.orders.get)
        self.shop = self.workers[0]
        with self.shop.app.test_request_context():
            self.shop.checkout.order("1234")

    def switch(self) -> None:
        """Have the other worker answer from now on."""
        self.workers.reverse()
        self.shop = self.workers[0]

    def pay(self, number: str) -> None:
        """Send the form, if the page shows one; the worker may die at it."""
        token = self.shop.token(number)
        with suppress(Killed):
            self._post(token=token)

    def _post(self, **fields: str) -> None:
        order = self.shop.checkout.order("1234")
        assert order is not None
        with self.shop.app.test_request_context(PAGE):
            if "token" in fields:
                choice = Choice(payment_method=fields["token"], return_url="http://localhost/")
                with suppress(NotFreeYetError, TooManyAttemptsError):
                    self.shop.checkout.pay("1234", order, choice)
            else:
                self.shop.checkout.restart("1234", order)

    def restart(self) -> None:
        """Ask for another card."""
        with suppress(Killed):
            self._post()

    def look(self) -> str:
        """Open the page."""
        with suppress(Killed):
            return self.shop.phase()
        return "killed"

    def answer(self, result: str) -> None:
        """Answer the bank's question, if there is one."""
        attempt = self.shop.checkout._store.current("1234")
        if attempt is not None and attempt.next_url is not None:
            self.shop.answer_challenge(result)

    def deliver(self) -> None:
        """Tell the shop of everything that happened, oldest first."""
        for event in self.sandbox.events():
            self.shop.checkout.note_event(Event.from_json(json.dumps(event).encode()))

    def wait(self, seconds: float) -> None:
        """Let time pass, here and there."""
        self.sandbox.advance(seconds)
        self.shop.let_time_pass(seconds)

    def change(self) -> None:
        """Change the order's total."""
        amount = self.shop.orders["1234"].amount + Money(100, "aed")
        self.shop.change_order(amount=amount)

    def succeeded(self) -> int:
        """Return how often the customer has paid."""
        return sum(payment["status"] == "succeeded" for payment in self.shop.payments)

    def settle(self) -> str:
        """Let all faults end and the page be looked at until nothing changes."""
        self.sandbox.clear_faults()
        for worker in self.workers:
            worker.transport.dies.clear()
        for _ in range(6):
            self.wait(31)
            phase = self.look()
        return phase


def arm(kind: str) -> Step:
    return lambda course: course.sandbox.fault(kind, **CREATE)


def arm_reading(course: Course) -> None:
    course.sandbox.fault("error-500", method="GET", path="/v1/payments*")


def die(moment: str, where: str) -> Step:
    return lambda course: course.shop.transport.dies.append((moment, where))


STEPS: dict[str, Step] = {
    "pays": lambda course: course.pay(GOOD),
    "pays with a bad card": lambda course: course.pay(DECLINED),
    "pays with a challenge": lambda course: course.pay(CHALLENGE),
    "looks": lambda course: course.look(),
    "starts again": lambda course: course.restart(),
    "passes": lambda course: course.answer("pass"),
    "refuses": lambda course: course.answer("refuse"),
    "webhooks come": lambda course: course.deliver(),
    "the total changes": lambda course: course.change(),
    "another worker": lambda course: course.switch(),
    "an answer is lost": arm("lost-answer"),
    "a create fails": arm("error-500"),
    "a limit": arm("rate-limit"),
    "a reading fails": arm_reading,
    "dies before creating": die("before", "/payments"),
    "dies after creating": die("after", "/payments"),
    "dies after cancelling": die("after", "/cancel"),
    **{f"{seconds} s": lambda course, s=seconds: course.wait(s) for seconds in SECONDS},  # type: ignore[misc]
}


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=3, max_size=14),
    reading=st.sampled_from(["replay", "strict"]),
)
def test_an_order_is_paid_at_most_once(steps: list[str], reading: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox(clock_rate=0) as sandbox:
        sandbox.settings(idempotency=reading)
        course = Course(sandbox, Path(folder))
        with closing(course.workers[0]), closing(course.workers[1]):
            for step in steps:
                STEPS[step](course)
                assert course.succeeded() <= 1
            phase = course.settle()
            assert course.succeeded() <= 1
            assert (phase in {"paid", "mismatch"}) == (course.succeeded() == 1)
            assert phase not in {"killed"}
