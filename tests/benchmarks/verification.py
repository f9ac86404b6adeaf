"""``Webhook.verify`` beside a hand-written check, stripe's and Standard Webhooks'."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import stripe
from standardwebhooks import Webhook as StandardWebhook

from flask_paysafer.signing import get_scheme
from flask_paysafer.webhooks.verification import Webhook

from . import bodies
from .findings import Finding, Goal
from .measuring import Effort, interleave, repeated

_KEY = bodies.SECRET.encode()
_SIZES = {"0.4 kB": 400, "4 kB": 4_000, "64 kB": 64_000}


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the findings for each size of body, then those of the verification alone."""
    for label, size in _SIZES.items():
        yield from _with_parsing(label, bodies.of_size(size), effort)
    for label, size in _SIZES.items():
        yield _alone(label, bodies.of_size(size), effort)


def _with_parsing(label: str, body: bytes, effort: Effort) -> Iterator[Finding]:
    header = bodies.sign(body)
    series = interleave(
        {
            "ours": repeated(lambda: Webhook.verify(body, header, bodies.SECRET), effort),
            "by hand": repeated(_by_hand(body, header), effort),
            "stripe": repeated(_stripe(body), effort),
            "standard": repeated(_standard(body), effort),
        },
        effort.rounds,
    )
    ours, subject = series["ours"], f"Webhook.verify, {label}"
    by_hand = "hand-written hmac.digest + json.loads"
    yield Finding(subject, by_hand, Goal(1.25), ours, series["by hand"])
    yield Finding(subject, "stripe.Webhook.construct_event", Goal(0.05), ours, series["stripe"])
    yield Finding(subject, "standardwebhooks' Webhook.verify", None, ours, series["standard"])


def _by_hand(body: bytes, header: str) -> Callable[[], object]:
    timestamp, _, expected = header.removeprefix("t=").partition(",v1=")
    prefix = f"{timestamp}.".encode()

    def check() -> object:
        made = hmac.digest(_KEY, prefix + body, "sha256").hex()
        if not hmac.compare_digest(made, expected):
            raise ValueError
        return json.loads(body)

    return check


def _stripe(body: bytes) -> Callable[[], object]:
    text = body.decode()
    header = stripe.WebhookSignature.generate_signature_header(text, bodies.SECRET)
    return lambda: stripe.Webhook.construct_event(text, header, bodies.SECRET)


def _standard(body: bytes) -> Callable[[], object]:
    webhook = StandardWebhook(f"whsec_{base64.b64encode(_KEY).decode()}")
    now = datetime.now(UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": webhook.sign("msg_1", now, body.decode()),
    }
    return lambda: webhook.verify(body, headers)


def _alone(label: str, body: bytes, effort: Effort) -> Finding:
    header, secrets, scheme = bodies.sign(body), (bodies.SECRET,), get_scheme("timestamped")

    def ours() -> object:
        return scheme.verify(body, header, secrets, now=int(time.time()), tolerance=300)

    series = interleave(
        {
            "ours": repeated(ours, effort),
            "by hand": repeated(lambda: check_by_hand(body, header), effort),
        },
        effort.rounds,
    )
    return Finding(
        f"verification alone, {label}",
        "hand-written check: header, tolerance, hmac",
        Goal(1.0),
        series["ours"],
        series["by hand"],
    )


def check_by_hand(body: bytes, header: str, *, tolerance: int = 300) -> None:
    """Check a signature as a careful merchant's own code would, with the standard library."""
    pairs = [part.split("=", 1) for part in header.split(",")]
    timestamp = int(next(value for name, value in pairs if name == "t"))
    if abs(time.time() - timestamp) > tolerance:
        raise ValueError("stale")
    signed = b"%d." % timestamp + body
    expected = hmac.new(_KEY, signed, hashlib.sha256).hexdigest()
    given = [value for name, value in pairs if name == "v1"]
    if not any(hmac.compare_digest(expected, value) for value in given):
        raise ValueError("wrong")
