"""Print tables, moments and log records on the terminal, safe from what outsiders wrote."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from ..redaction import redact


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``titles``, each column as wide as it has to be."""
    lines = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(titles, *lines, strict=True)]
    click.secho(_table_line(titles, widths), bold=True)
    for line in lines:
        click.echo(_table_line(line, widths))


def _table_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def one_line(cell: object) -> str:
    """Return text that can't steer the terminal, whoever wrote it: controls become a mark."""
    text = "–" if cell is None else str(cell)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


_OURS = logging.getLogger("flask_paysafer")


class TerminalLog(logging.Handler):
    """Prints warnings of ours, but for those that a command tells of in its own words."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        # A call that fails in the end is the command's own error; the attempts are not news.
        self._told = {"flask_paysafer.client"}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Print what comes within the ``with`` block."""
        _OURS.addHandler(self)
        try:
            yield
        finally:
            _OURS.removeHandler(self)

    @contextmanager
    def without(self, name: str) -> Iterator[None]:
        """Leave out this logger's warnings within the ``with`` block."""
        self._told.add(name)
        try:
            yield
        finally:
            self._told.remove(name)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line; what can't be printed stops no handler."""
        try:
            if record.name not in self._told and not _has_other_handlers(self):
                click.echo(f"{record.levelname.capitalize()}: {_said(record)}", err=True)
        except Exception:  # noqa: BLE001 (as every handler of logging does)
            self.handleError(record)


LOG = TerminalLog()
"""The one of this process."""


def _has_other_handlers(handler: logging.Handler) -> bool:
    """Whether the merchant has set up logging, which may be after the command began."""
    others = [*_OURS.handlers, *(logging.getLogger().handlers if _OURS.propagate else [])]
    return any(other is not handler for other in others)


def _said(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    message = record.getMessage()
    if error is not None:
        said = "".join(traceback.format_exception_only(error))
        message = f"{message}: {redact(said.strip())}"
    return one_line(message.partition("\n")[0])
