"""A whole webhook, handled in the request: verify, store, run one handler, note that it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from .findings import Finding, Goal
from .measuring import Effort, Measure, batched, interleave
from .places import PLACES
from .shops import Delivery, Door, by_hand, delivery, with_the_extension

BATCH = 20


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the findings for each database."""
    for name in PLACES:
        yield from _on(name, effort)


def _on(place: str, effort: Effort) -> Iterator[Finding]:
    with ExitStack() as stack:
        ours = Door(with_the_extension(stack.enter_context(PLACES[place]()), _fulfil))
        theirs = Door(by_hand(stack.enter_context(PLACES[place]()), _fulfil))
        known = delivery()
        ours.send_well(known)
        series = interleave(
            {
                "ours": batched(delivery, ours.send_well, BATCH),
                "by hand": batched(delivery, theirs.send_well, BATCH),
                "duplicate": batched(lambda: known, ours.send_well, BATCH),
                **_refused(ours),
            },
            effort.rounds,
        )
    whole, same = f"inline webhook, {place}", "hand-written view, same statements"
    yield Finding(whole, same, Goal(1.15), series["ours"], series["by hand"])
    yield Finding(
        f"duplicate of a done event, {place}",
        "the same event when new",
        Goal(0.5),
        series["duplicate"],
        series["ours"],
    )
    for kind in ("forged", "stale", "oversize"):
        yield Finding(
            f"refused: {kind}, {place}",
            "an accepted one",
            Goal(0.3),
            series[kind],
            series["ours"],
        )


def _refused(door: Door) -> dict[str, Measure]:
    forged = Delivery(delivery().body, delivery().signature)
    oversize = delivery(b" " * 300_000)
    return {
        "forged": batched(lambda: forged, door.send, BATCH),
        "stale": batched(lambda: delivery(age=400), door.send, BATCH),
        "oversize": batched(lambda: oversize, door.send, BATCH),
    }


def _fulfil(_: object) -> None:
    """Do nothing: what a shop's own handler takes is no matter of ours."""
