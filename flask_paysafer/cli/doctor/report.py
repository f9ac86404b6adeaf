"""Show what was found, to people and to programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import TextWrapper

import click

from .findings import LEVELS
from .running import Result

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "ok": "green"}
_WIDTH = 96
_MARGIN = 9


def show(results: Sequence[Result]) -> None:
    """Print a table: what, and under it why it matters and the cure."""
    several = len({result.account for result in results}) > 1
    previous = ""
    for result in results:
        heading = f"{result.account}: {result.check}" if several else result.check
        if heading != previous:
            click.secho(f"\n{heading}", bold=True)
        previous = heading
        _show_one(result)
    click.echo(f"\n{_sums(results)}")


def _show_one(result: Result) -> None:
    finding = result.finding
    mark = click.style(f"{finding.level:<8}", fg=_COLOURS[finding.level], bold=True)
    first, *more = _wrap(finding.what, _WIDTH - _MARGIN) or [""]
    click.echo(f"{mark} {first}")
    for line in more:
        click.echo(" " * _MARGIN + line)
    for label, text in (("Why", finding.why), ("Cure", finding.cure)):
        for number, line in enumerate(_wrap(text, _WIDTH - _MARGIN - 6)):
            start = f"{label}:" if number == 0 else ""
            click.echo(f"{'':{_MARGIN}}{start:<6}{line}")


def _wrap(text: str, width: int) -> list[str]:
    # What is to be copied, such as paths, addresses and options, stays in one piece.
    return TextWrapper(width, break_on_hyphens=False, break_long_words=False).wrap(text)


def _sums(results: Sequence[Result]) -> str:
    counts = Counter(result.finding.level for result in results)
    if not counts["error"] and not counts["warning"]:
        return click.style("All is well.", fg="green", bold=True)
    return ", ".join(
        click.style(_counted(counts[level], level), fg=_COLOURS[level])
        for level in LEVELS
        if counts[level]
    )


def _counted(count: int, level: str) -> str:
    return f"{count} {level}" if count == 1 or level == "ok" else f"{count} {level}s"


def json_of(results: Sequence[Result]) -> str:
    """Return all of it as JSON."""
    counts = Counter(result.finding.level for result in results)
    return json.dumps(
        {
            "healthy": not counts["error"],
            "counts": {level: counts[level] for level in LEVELS},
            "findings": [
                {"account": result.account, "check": result.check, **asdict(result.finding)}
                for result in results
            ],
        },
        indent=2,
    )
