"""Findings as a table for the terminal, and as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from .findings import Finding, Spread, Unit

_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
HEADINGS = ("", "ours", "theirs", "ratio (min … max)", "goal", "measured", "against")


def quantity(value: float, unit: Unit) -> str:
    """Return ``value`` with three digits and its unit."""
    if unit == "per second":
        return f"{value:,.0f}/s"
    if unit == "MB":
        return f"{value:.1f} MB"
    scale, name = next((pair for pair in _SCALES if value >= pair[0]), _SCALES[-1])
    return f"{value / scale:.3g} {name}"


def row(finding: Finding) -> tuple[str, ...]:
    """Return the cells of one finding, under :data:`HEADINGS`."""
    ratios = finding.ratios
    return (
        _verdict(finding),
        quantity(Spread.of(finding.ours).median, finding.unit),
        quantity(Spread.of(finding.theirs).median, finding.unit),
        f"{ratios.median:.3f} ({ratios.least:.3f} … {ratios.greatest:.3f})",
        str(finding.goal or ""),
        finding.subject,
        finding.against,
    )


def _verdict(finding: Finding) -> str:
    if finding.goal is None:
        return ""
    return "ok" if finding.is_met else "MISSED"


def render(rows: Sequence[Sequence[str]]) -> str:
    """Return the rows as aligned columns."""
    table = [HEADINGS, *rows]
    widths = [max(len(cells[column]) for cells in table) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for cells in table
    )


def as_data(findings: Iterable[Finding]) -> list[dict[str, Any]]:
    """Return the findings for ``--json``: every figure, and what follows from them."""
    return [_finding_data(finding) for finding in findings]


def _finding_data(finding: Finding) -> dict[str, Any]:
    return {
        "subject": finding.subject,
        "against": finding.against,
        "unit": finding.unit,
        "goal": finding.goal and asdict(finding.goal),
        "ours": list(finding.ours),
        "theirs": list(finding.theirs),
        "ratio": _spread_data(finding.ratios),
        "met": finding.is_met,
    }


def _spread_data(spread: Spread) -> Mapping[str, float]:
    return {"median": spread.median, "min": spread.least, "max": spread.greatest}
