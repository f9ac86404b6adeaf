"""Memory of a process that handles webhooks: after very many events, and after a thousand."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .findings import Finding, Goal, Unavailable
from .measuring import Effort
from .places import sqlite
from .shops import Door, delivery, with_the_extension

FEW = 1_000
_STATUS = Path("/proc/self/statm")


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding, from a process of its own."""
    if not _STATUS.exists():
        raise Unavailable("this system does not say how much memory a process has (/proc)")
    many = 5_000 if effort.is_quick else 100_000
    answer = subprocess.run(
        [sys.executable, "-m", __name__, str(many)], check=True, capture_output=True, text=True
    )
    after_few, after_many = json.loads(answer.stdout)
    yield Finding(
        f"memory of a worker after {many:,} events",
        f"after {FEW:,}",
        Goal(1.05),
        [after_many],
        [after_few],
        "MB",
    )


def _grow(many: int) -> tuple[float, float]:
    with sqlite() as url:
        door = Door(with_the_extension(url, lambda _: None))
        _handle(door, FEW)
        after_few = _megabytes()
        _handle(door, many - FEW)
        return after_few, _megabytes()


def _handle(door: Door, count: int) -> None:
    for _ in range(count):
        door.send_well(delivery())


def _megabytes() -> float:
    gc.collect()
    pages = int(_STATUS.read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    print(json.dumps(_grow(int(sys.argv[1]))))
