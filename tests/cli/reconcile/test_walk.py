from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from flask_paysafer import PaySaferClient
from flask_paysafer.cli.reconciliation import PaymentPages

BASE = "http://127.0.0.1:4242/v1"


class Api:
    """Lists payments, one per page, and limits the rate by a clock of its own."""

    def __init__(self, payments: int, *, limit: int = 10) -> None:
        self.now = 1_000_000_000.0
        self.limit = limit
        self.payments = payments
        self.left, self.resets_at = limit, self.now + 60
        self.requests = 0
        self.refused = 0
        self.slept: list[float] = []
        self.on_answer: Callable[[], None] = lambda: None

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        self.on_answer()
        if self.now >= self.resets_at:
            self.left, self.resets_at = self.limit, self.now + 60
        headers = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Reset": str(int(self.resets_at - self.now)),
        }
        if self.left <= 0:
            self.refused += 1
            headers["X-RateLimit-Remaining"] = "0"
            error = {"error": {"type": "rate_limit_error", "message": "Too many requests."}}
            return httpx.Response(429, json=error, headers=headers)
        self.left -= 1
        headers["X-RateLimit-Remaining"] = str(self.left)
        after = request.url.params.get("starting_after", f"pay_{self.payments}")
        number = int(after.partition("_")[2]) - 1
        page = {"object": "list", "data": [_payment(number)], "has_more": number > 0}
        return httpx.Response(200, json=page, headers=headers)


def _payment(number: int) -> dict[str, Any]:
    return {"id": f"pay_{number}", "object": "payment", "created": 1, "status": "succeeded"}


def walk(api: Api, **options: Any) -> list[str]:
    client = PaySaferClient(
        "sk_test_walkshop1",
        base_url=BASE,
        transport=httpx.MockTransport(api),
        max_retries=0,
    )
    client._settings.environment.wall = lambda: api.now
    steps = PaymentPages(client, since=0, sleep=api.sleep, wall=lambda: api.now, **options)
    return [payment.id for look in steps for payment in look.payments]


def test_walks_through_all_pages() -> None:
    assert walk(Api(5)) == ["pay_4", "pay_3", "pay_2", "pay_1", "pay_0"]


def test_begins_after_the_last_one_seen() -> None:
    assert walk(Api(5), after="pay_2") == ["pay_1", "pay_0"]


def test_leaves_a_fifth_of_the_rate_limit_to_the_shop() -> None:
    api = Api(20, limit=10)

    assert len(walk(api)) == 20
    assert api.refused == 0
    assert [round(seconds) for seconds in api.slept] == [60, 60]


def test_waits_and_asks_again_when_the_shop_has_used_the_limit_up() -> None:
    api = Api(3, limit=10)
    answers = iter([0, 10])
    api.on_answer = lambda: setattr(api, "left", api.left - next(answers, 0))

    assert len(walk(api)) == 3
    assert api.refused == 1
    assert [round(seconds) for seconds in api.slept] == [60]
