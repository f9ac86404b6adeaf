"""What ``import flask_paysafer`` adds to ``import flask``, each time in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from .findings import Finding, Goal
from .measuring import Effort

HEAVY = ("sqlalchemy", "celery", "babel", "flask_paysafer.sandbox")
_PROBE = """
import json, sys, time
start = time.perf_counter()
import flask
middle = time.perf_counter()
import flask_paysafer
end = time.perf_counter()
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps([middle - start, end - middle, heavy]))
"""


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding; the two figures of a pair come from the same process."""
    _probe()  # writes the bytecode
    pairs = [_probe() for _ in range(effort.rounds)]
    yield Finding(
        "import flask_paysafer, added",
        "import flask",
        Goal(0.17),
        [added for _, added in pairs],
        [flask for flask, _ in pairs],
    )


def _probe() -> tuple[float, float]:
    answer = subprocess.run(
        [sys.executable, "-c", _PROBE.format(heavy=HEAVY)], check=True, capture_output=True
    )
    flask, added, heavy = json.loads(answer.stdout)
    if heavy:
        raise AssertionError(f"import flask_paysafer loads {', '.join(heavy)}")
    return flask, added
