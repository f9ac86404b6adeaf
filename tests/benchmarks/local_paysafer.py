"""The local PaySafer: how long it takes to start, to create, and to walk through a schedule."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

from flask import Flask

from flask_paysafer.sandbox import Sandbox, WebhookResponse

from .findings import Finding, Goal
from .measuring import Effort, interleave, repeated

KEPT = 10_000
"""How many payments a sandbox holds that is compared with an empty one."""
ORDER = {"amount": 15000, "currency": "aed", "payment_method": "pm_card_visa"}
KEY = {"Authorization": "Bearer sk_live_benchmark"}
WHOLE_SCHEDULE = 34 * 3600 + 36 * 60


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the findings; what has to take under a second is held to one second."""
    yield from _creating(effort)
    for subject, seconds in (
        ("the sandbox started and answering", _start),
        ("34 h 36 min of a delivery that fails", _walk_the_schedule),
    ):
        times = [seconds() for _ in range(max(3, effort.rounds // 3))]
        yield Finding(subject, "one second", Goal(1), times, [1.0] * len(times))


def _creating(effort: Effort) -> Iterator[Finding]:
    with Sandbox() as empty, Sandbox() as full:
        create_in_full = _creator(full)
        for _ in range(KEPT):
            create_in_full()
        series = interleave(
            {
                "empty": repeated(_creator(empty), effort),
                "bare": repeated(_bare_view(_creator(empty)()), effort),
                "full": repeated(create_in_full, effort),
            },
            effort.rounds,
        )
    bare = "a bare Flask view with the same JSON"
    yield Finding("create a payment in the sandbox", bare, Goal(3), series["empty"], series["bare"])
    yield Finding(
        f"the same beside {KEPT:,} payments",
        "an empty one",
        Goal(1.5),
        series["full"],
        series["empty"],
    )


def _creator(sandbox: Sandbox) -> Callable[[], dict[str, object]]:
    client = sandbox.wsgi_app.test_client()  # type: ignore[attr-defined]  # it is a Flask app
    made = 0

    def create() -> dict[str, object]:
        nonlocal made
        made += 1
        if made % 900 == 0:  # of 1,000 that a minute allows
            sandbox.advance(60)
        headers = {**KEY, "Idempotency-Key": f"order_{made}"}
        answer = client.post("/v1/payments", json=ORDER, headers=headers)
        payment: dict[str, object] = answer.get_json()
        assert payment["status"] == "succeeded"
        return payment

    return create


def _bare_view(payment: dict[str, object]) -> Callable[[], object]:
    app = Flask("bare")
    app.add_url_rule("/v1/payments", view_func=lambda: payment, methods=["POST"])
    client = app.test_client()
    headers = {**KEY, "Idempotency-Key": "order_1"}
    return lambda: client.post("/v1/payments", json=ORDER, headers=headers).get_json()


def _start() -> float:
    command = [sys.executable, "-m", "flask_paysafer.sandbox", "--port", "0"]
    before = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            settings = iter(process.stdout.readline, "")
            base = next(line for line in settings if "API_BASE" in line).strip().partition("=")[2]
            request = urllib.request.Request(f"{base}/payments", headers=KEY)
            with urllib.request.urlopen(request) as answer:
                json.load(answer)
            return time.perf_counter() - before
        finally:
            process.terminate()


def _walk_the_schedule() -> float:
    with Sandbox(clock_rate=0, sender=lambda _: WebhookResponse(500)) as sandbox:
        sandbox.register("http://127.0.0.1:5000/paysafer/webhook")
        sandbox.trigger("payment.completed", account="acmeshop1")
        sandbox.advance(0)
        before = time.perf_counter()
        sandbox.advance(WHOLE_SCHEDULE)
        taken = time.perf_counter() - before
        assert {delivery["status"] for delivery in sandbox.deliveries()} == {"failed"}
        return taken
