"""What the log says while a command runs, as one line each on the terminal.

Python prints warnings that no handler takes with their whole traceback, most of which
would be this package's own frames. Where the merchant has set up logging, it gets
everything as ever, and nothing is printed here.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import click

from ..redaction import redact
from .tables import one_line

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
