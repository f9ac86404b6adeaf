"""The whole inline webhook beside dj-stripe's webhook view, both on SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from . import django_shop
from .findings import Finding, Goal
from .measuring import Effort, batched, interleave
from .places import sqlite
from .shops import Door, delivery, with_the_extension

BATCH = 10


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding."""
    with ExitStack() as stack:
        ours = Door(with_the_extension(stack.enter_context(sqlite()), _fulfil))
        file = stack.enter_context(sqlite()).removeprefix("sqlite:///")
        theirs = django_shop.open_door(file, _fulfil)
        series = interleave(
            {
                "ours": batched(delivery, ours.send_well, BATCH),
                "dj-stripe": batched(django_shop.delivery, theirs.send_well, BATCH),
            },
            effort.rounds,
        )
    yield Finding(
        "inline webhook, SQLite, durable",
        "dj-stripe's webhook view, SQLite",
        Goal(0.2),
        series["ours"],
        series["dj-stripe"],
    )


def _fulfil(_: object) -> None:
    """Do nothing: the shop's own work is no matter of ours."""
