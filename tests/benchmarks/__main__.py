"""``python -m tests.benchmarks``: measure the paths, print a table, exit 1 on a missed goal."""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path as File
from typing import Any

from . import table
from .findings import Finding, Unavailable
from .measuring import FULL, QUICK, Effort
from .paths import PATHS, Path, load


def main(arguments: Sequence[str] | None = None, *, find: Callable[[str], Path] = load) -> int:
    """Run the benchmarks that ``arguments`` name, all without names, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(PATHS):
        asked, known = ", ".join(sorted(unknown)), ", ".join(PATHS)
        parser.error(f"there is no path called {asked}; there are {known}")
    effort = QUICK if options.quick else FULL
    findings, skipped = _measure(options.names or list(PATHS), effort, find)
    print(table.render([table.row(finding) for finding in findings]))
    for name, reason in skipped.items():
        print(f"skipped {name}: {reason}")
    if options.json:
        File(options.json).write_text(_document(findings, skipped, effort), encoding="utf-8")
    held = [finding for finding in findings if finding.goal is not None]
    missed = [finding for finding in held if not finding.is_met]
    print(f"{len(held) - len(missed)} of {len(held)} goals met")
    return 1 if missed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(PATHS)}")
    parser.add_argument("--quick", action="store_true", help="under three minutes")
    parser.add_argument("--json", metavar="FILE", help="write every figure to FILE")
    return parser


def _measure(
    names: Sequence[str], effort: Effort, find: Callable[[str], Path]
) -> tuple[list[Finding], dict[str, str]]:
    _log_to_nowhere()
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for name in names:
        before = time.monotonic()
        try:
            findings.extend(find(name)(effort))
        except Unavailable as reason:
            skipped[name] = str(reason)
        taken = time.monotonic() - before
        print(f"{name}: {taken:.1f} s", file=sys.stderr, flush=True)
    return findings, skipped


def _log_to_nowhere() -> None:
    # Lines are formatted and written, as in production, but not to this terminal.
    logging.basicConfig(filename=os.devnull, force=True)


def _document(findings: Sequence[Finding], skipped: dict[str, str], effort: Effort) -> str:
    document: dict[str, Any] = {
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count(),
        },
        "quick": effort.is_quick,
        "findings": table.as_data(findings),
        "skipped": skipped,
    }
    return json.dumps(document, ensure_ascii=False, indent=1)


if __name__ == "__main__":
    sys.exit(main())
