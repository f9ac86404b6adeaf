"""What became of every event, read from the shop's own tables."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from .attack import Plan
from .shop import HANDLERS, Settings


@dataclass(frozen=True, slots=True)
class Verdict:
    """The figures that count."""

    lost: int
    """Effects that are missing."""
    doubled: int
    """Effects that are there more than once."""
    strayed: int
    """Poison that was more than its handler's failure."""
    unsettled: int
    """Events that are neither done nor failed."""
    seconds: float
    """From the last delivery until everything was settled."""

    @property
    def is_good(self) -> bool:
        """Nothing lost, nothing doubled, everything settled."""
        return not (self.lost or self.doubled or self.strayed or self.unsettled)


def judge(plan: Plan, settings: Settings, *, patience: float = 60.0) -> Verdict:
    """Wait until everything is settled, no longer than ``patience``, and count."""
    engine = create_engine(settings.database)
    began = time.monotonic()
    try:
        while True:
            try:
                states, effects = _read(engine)
            except OperationalError:
                states, effects = {}, Counter()
            unsettled = plan.events - sum(state in ("done", "failed") for state in states.values())
            waited = time.monotonic() - began
            if not unsettled or waited > patience:
                return _count(plan, states, effects, unsettled, waited)
            time.sleep(0.1)
    finally:
        engine.dispose()


def _read(engine: object) -> tuple[dict[str, str], Counter[tuple[str, str]]]:
    with engine.connect() as connection:  # type: ignore[attr-defined]
        states = dict(connection.execute(text("SELECT event_id, state FROM paysafer_event")).all())
        rows = connection.execute(text("SELECT event_id, handler FROM effect"))
        return states, Counter((row.event_id, row.handler) for row in rows)


def _count(
    plan: Plan,
    states: dict[str, str],
    effects: Counter[tuple[str, str]],
    unsettled: int,
    seconds: float,
) -> Verdict:
    bodies = plan.bodies()
    poison = {event_id for event_id, body in bodies.items() if b'"poison"' in body}
    expected = {
        (event_id, handler)
        for event_id in bodies
        for handler in HANDLERS
        if not (event_id in poison and handler == "poisoned")
    }
    strayed = sum(states.get(event_id) != "failed" for event_id in poison)
    strayed += sum(states.get(event_id) == "failed" for event_id in bodies.keys() - poison)
    return Verdict(
        lost=len(expected - effects.keys()),
        doubled=sum(count - 1 for count in effects.values()),
        strayed=strayed + len(effects.keys() - expected),
        unsettled=unsettled,
        seconds=seconds,
    )
