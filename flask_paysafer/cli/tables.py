"""Print rows as a table that fits its content."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``titles``, each column as wide as it has to be."""
    lines = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    click.secho(_line(titles, widths), bold=True)
    for line in lines:
        click.echo(_line(line, widths))


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def one_line(cell: object) -> str:
    """Return text that can't steer the terminal, whoever wrote it: controls become a mark."""
    text = "–" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)
