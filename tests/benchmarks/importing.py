"""What ``import flask_paysafer`` adds to ``import flask``, each time in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from .findings import Finding, Goal
from .measuring import Effort

HEAVY = ("sqlalchemy", "celery", "babel", "flask_paysafer.sandbox")
_STATEMENTS = ("import flask_paysafer", "from flask_paysafer import PaySafer")
_PROBE = """
import json, sys, time
start = time.perf_counter()
import flask
middle = time.perf_counter()
{statement}
end = time.perf_counter()
heavy = [name for name in {heavy!r} if name in sys.modules]
print(json.dumps([middle - start, end - middle, heavy]))
"""


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield a finding for each statement; the two figures of a pair come from one process."""
    for statement in _STATEMENTS:
        _probe(statement)  # writes the bytecode
        pairs = [_probe(statement) for _ in range(effort.rounds)]
        added, flask = zip(*pairs, strict=True)
        yield Finding(f"{statement} (after flask)", "import flask", Goal(0.17), added, flask)


def _probe(statement: str) -> tuple[float, float]:
    probe = _PROBE.format(statement=statement, heavy=HEAVY)
    answer = subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True)
    flask, added, heavy = json.loads(answer.stdout)
    if heavy:
        raise AssertionError(f"{statement} loads {', '.join(heavy)}")
    return added, flask
