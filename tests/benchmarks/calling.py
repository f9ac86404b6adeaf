"""A POST through the client beside the same through a bare ``httpx.Client`` and stripe's;
and a payment beside its JSON alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import stripe

from flask_paysafer import Payment, PaySaferClient

from . import answering
from .findings import Finding, Goal
from .measuring import Effort, Measure, interleave, repeated

_THREADS = 8
_KEY = "sk_test_benchmarks"
_ORDER = {
    "amount": 15000,
    "currency": "aed",
    "payment_method": "pm_card_visa",
    "metadata": {"order_id": "order_1234"},
}
Calls = Mapping[str, Callable[[], object]]


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the findings for calls one by one, from eight threads, and for objects."""
    with (
        answering.server() as url,
        PaySaferClient(_KEY, base_url=f"{url}/v1") as ours,
        httpx.Client(base_url=f"{url}/v1", headers={"Authorization": f"Bearer {_KEY}"}) as bare,
    ):
        calls = _calls(ours, bare, stripe.StripeClient(_KEY, base_addresses={"api": url}))
        one_by_one = {name: repeated(call, effort) for name, call in calls.items()}
        yield from _beside_peers("client POST", 0.75, one_by_one, effort)
        with ThreadPoolExecutor(_THREADS) as threads:
            at_once = {name: _threaded(call, threads, effort) for name, call in calls.items()}
            yield from _beside_peers(f"client POST, {_THREADS} threads", 0.85, at_once, effort)
    yield _object(effort)


def _calls(ours: PaySaferClient, bare: httpx.Client, stripes: stripe.StripeClient) -> Calls:
    return {
        "ours": lambda: ours.payments.create(**_ORDER, idempotency_key="k"),  # type: ignore[arg-type]
        "httpx": lambda: bare.post(
            "/payments", json=_ORDER, headers={"Idempotency-Key": "k"}
        ).json(),
        "stripe": lambda: stripes.v1.payment_intents.create(
            _ORDER,  # type: ignore[arg-type]  # a plain dict, as the others get
            {"idempotency_key": "k"},
        ),
    }


def _beside_peers(
    subject: str, limit: float, measures: Mapping[str, Measure], effort: Effort
) -> Iterator[Finding]:
    series = interleave(measures, effort.rounds)
    yield Finding(subject, "httpx.Client.post", Goal(limit), series["ours"], series["httpx"])
    yield Finding(subject, "stripe-python", Goal(0.5), series["ours"], series["stripe"])


def _threaded(call: Callable[[], object], threads: ThreadPoolExecutor, effort: Effort) -> Measure:
    """Return a measurement of calls from all threads at once: seconds per call of each."""

    def all_at_once() -> None:
        for running in [threads.submit(call) for _ in range(4 * _THREADS)]:
            running.result()

    return repeated(all_at_once, effort)


def _object(effort: Effort) -> Finding:
    series = interleave(
        {
            "ours": repeated(lambda: Payment(json.loads(answering.PAYMENT)), effort),
            "json": repeated(lambda: json.loads(answering.PAYMENT), effort),
        },
        effort.rounds,
    )
    return Finding("Payment from JSON", "json.loads", Goal(1.5), series["ours"], series["json"])
