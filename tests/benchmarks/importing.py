"""What ``import flask_paysafer`` adds to ``import flask``, each time in a fresh process.

All of them find their bytecode ready, as on a shop's server: compiling would be most of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
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
    with tempfile.TemporaryDirectory() as bytecode:
        for statement in _STATEMENTS:
            _probe(statement, bytecode)  # writes it
            pairs = [_probe(statement, bytecode) for _ in range(effort.rounds)]
            added, flask = zip(*pairs, strict=True)
            yield Finding(f"{statement} (after flask)", "import flask", Goal(0.17), added, flask)


def _probe(statement: str, bytecode: str) -> tuple[float, float]:
    probe = _PROBE.format(statement=statement, heavy=HEAVY)
    answer = subprocess.run(
        [sys.executable, "-X", f"pycache_prefix={bytecode}", "-c", probe],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
        check=True,
        capture_output=True,
    )
    flask, added, heavy = json.loads(answer.stdout)
    if heavy:
        raise AssertionError(f"{statement} loads {', '.join(heavy)}")
    return added, flask
