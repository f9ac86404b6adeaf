"""What the webhook route can answer, and why it refuses. No Flask here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

RETRY_SECONDS = "60"
"""What ``Retry-After`` asks for: PaySafer's own first retry comes after a minute."""

INVALID_SIGNATURE = "Invalid signature"
"""The one body for all that is not authentic: it tells an attacker nothing."""


class Answer(NamedTuple):
    """An HTTP answer: JSON where the body is a mapping, else plain text."""

    status: int
    body: Mapping[str, object] | str
    headers: Mapping[str, str] = {}


class Refusal(NamedTuple):
    """An answer that refuses a delivery."""

    answer: Answer
    reason: str
    """What is wrong; goes to the log and to ``webhook_rejected``."""
    cure: str = ""
    """What the merchant should look at; goes to the log."""


def received(**more: object) -> Answer:
    """Return the answer that ends PaySafer's retries."""
    return Answer(200, {"received": True, **more})


def come_again(status: int, error: str) -> Answer:
    """Return an answer that asks for this delivery once more, later."""
    return Answer(status, {"error": error}, {"Retry-After": RETRY_SECONDS})
