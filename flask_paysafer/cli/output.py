"""Print tables, wrapped text, progress and log records on the terminal.

Rules of this file: nothing is wider than the terminal, no word is broken that fits into a line,
and nothing that came from outside can steer the terminal. What is piped elsewhere keeps its
lines whole and has no colour. ``rich`` is imported when something is printed, so that a running
shop never loads it.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import click

from ..redaction import redact

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_UNBOUNDED = 100_000
"""The width of lines that go into a pipe or a file."""
_GAP = "  "
_OURS = logging.getLogger("flask_paysafer")


def clean(value: object) -> str:
    """Return one line of text that can't steer the terminal: control characters become a mark."""
    text = "–" if value is None else str(value)
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def say(
    text: object, *, lead: str = "", style: str = "", indent: int = 0, err: bool = False
) -> None:
    """Print text, wrapped at words. Each of its lines begins below the end of ``lead``.

    :param lead: A mark or label before the first line, in ``style``.
    :param style: Colours the whole text where there is no lead.
    """
    from rich.table import Table
    from rich.text import Text

    if not lead and not indent:
        _print(Text("\n".join(map(clean, str(text).split("\n"))), style, overflow="fold"), err=err)
        return
    margin, width = indent + len(lead), _console(err=err).width
    longest = _longest_word(clean(line) for line in str(text).split("\n"))
    if margin > 2 and width - margin < longest:
        # A word would be broken that fits into a line of its own.
        if lead.strip():
            say(lead.rstrip(), style=style, err=err)
        say(text, indent=2, err=err)
        return
    grid = Table.grid()
    grid.add_column(width=margin, no_wrap=True)
    grid.add_column(overflow="fold")
    first = Text(" " * indent).append(clean(lead), style)
    for line in str(text).split("\n"):
        grid.add_row(first, clean(line))
        first = Text("")
    _print(grid, err=err)


def say_cells(
    cells: Iterable[object], *, lead: str = "", style: str = "", err: bool = False
) -> None:
    """Print cells side by side; where the line is full, the next cell begins another."""
    width = _console(err=err).width - len(lead)
    lines: list[str] = []
    for cell in filter(None, map(clean, cells)):
        if lines and len(lines[-1]) + len(_GAP) + len(cell) <= width:
            lines[-1] += _GAP + cell
        else:
            lines.append(cell)
    say("\n".join(lines), lead=lead, style=style, err=err)


def listed(names: Sequence[str], *, most: int = 5) -> str:
    """Return the first names, and how many there are beside them."""
    more = len(names) - most
    shown = [*names[:most], *([f"{more} more"] if more > 0 else [])]
    return ", ".join(shown)


def counted(number: int, one: str, several: str = "") -> str:
    """Return a number and its noun."""
    return f"{number} {one}" if number == 1 else f"{number} {several or one + 's'}"


def heading(text: str) -> None:
    """Print an empty line and a heading."""
    click.echo()
    say(text, style="bold")


def print_table(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print ``rows`` under ``titles``.

    Where the terminal is too narrow for the longest words of all columns, each row is printed
    as a block of its cells.
    """
    from rich.table import Table
    from rich.text import Text

    lines = [[clean(cell) for cell in row] for row in rows]
    if not _fits(titles, lines):
        _print_blocks(titles, lines)
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for title, *cells in zip(titles, *lines, strict=True):
        table.add_column(title, min_width=_longest_word([title, *cells]))
    for line in lines:
        table.add_row(*map(Text, line))
    _print(table, err=False)


def _fits(titles: Sequence[str], lines: list[list[str]]) -> bool:
    columns = zip(titles, *lines, strict=True)
    needed = sum(_longest_word(column) + len(_GAP) for column in columns)
    # A column of long notes needs some room, or it is a tower of single words.
    longest = max((len(cell) for line in lines for cell in line), default=0)
    return needed + min(longest, 16) <= _console().width


def _longest_word(cells: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max((cell_len(word) for cell in cells for word in cell.split()), default=1)


def _print_blocks(titles: Sequence[str], lines: list[list[str]]) -> None:
    widest = max(map(len, titles))
    for number, line in enumerate(lines):
        if number:
            click.echo()
        for title, cell in zip(titles, line, strict=True):
            if cell not in ("", "–"):
                say(cell, lead=f"{title:<{widest}}{_GAP}", style="bold")


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values below each other."""
    widest = max(map(len, facts)) + 1
    for name, value in facts.items():
        say("–" if value is None else value, lead=f"{name + ':':<{widest}}{_GAP}")


@contextmanager
def progress(label: str, total: int, *, counts: bool = True) -> Iterator[Callable[[int], None]]:
    """Show how far something has come, on standard error, while the ``with`` block runs.

    Yields what is to be called with the number of steps that were done. Nothing is shown where
    standard error is no terminal.

    :param counts: Whether the number of steps means anything to people.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = [TextColumn("{task.description}"), BarColumn()]
    with Progress(
        *(columns + ([MofNCompleteColumn()] if counts else [])),
        console=console,
        transient=True,
        # Rows are printed above the bar, unless they go into a pipe.
        redirect_stdout=sys.stdout.isatty(),
        disable=not console.is_terminal or console.is_dumb_terminal,
    ) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


class CommandError(click.ClickException):
    """Ends a command with a message on standard error, and exit code 1."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message."""
        say(f"Error: {self.format_message()}", err=True)


def _console(*, err: bool = False) -> Console:
    """Return a console that renders for the stream as it is now: tests and pipes change it."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    console = Console(
        file=io.StringIO(),
        force_terminal=True if stream.isatty() else None,  # None: as FORCE_COLOR says
        highlight=False,
        markup=False,
        emoji=False,
    )
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def _print(renderable: RenderableType, *, err: bool) -> None:
    console = _console(err=err)
    console.print(renderable)
    rendered = console.file.getvalue()  # type: ignore[attr-defined]
    # Cells are padded to their column's width, which the last of a line has no use for.
    text = re.sub(r" +((?:\x1b\[[0-9;]*m)*)$", r"\1", rendered, flags=re.MULTILINE)
    click.echo(text, nl=False, err=err, color=console.color_system is not None)


class TerminalLog(logging.Handler):
    """Prints our warnings as one line each, except those that a command reports by itself.

    Python prints warnings that no handler takes with their whole traceback, most of which
    would be this package's own frames. Where the merchant has set up logging, it gets
    everything as ever, and nothing is printed here.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        # A call that fails in the end is the command's own error; the attempts are not news.
        self._reported = {"flask_paysafer.client"}

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
        self._reported.add(name)
        try:
            yield
        finally:
            self._reported.remove(name)

    def emit(self, record: logging.LogRecord) -> None:
        """Print one line; what can't be printed stops no handler."""
        try:
            if record.name not in self._reported and not _has_other_handlers(self):
                say(f"{record.levelname.capitalize()}: {_message_of(record)}", err=True)
        except Exception:  # noqa: BLE001 (as every handler of logging does)
            self.handleError(record)


LOG = TerminalLog()
"""The one of this process."""


def _has_other_handlers(handler: logging.Handler) -> bool:
    """Whether the merchant has set up logging, which may be after the command began."""
    others = [*_OURS.handlers, *(logging.getLogger().handlers if _OURS.propagate else [])]
    return any(other is not handler for other in others)


def _message_of(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    message = record.getMessage()
    if error is not None:
        text = "".join(traceback.format_exception_only(error))
        message = f"{message}: {redact(text.strip())}"
    return message.partition("\n")[0]
