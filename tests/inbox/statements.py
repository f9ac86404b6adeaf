"""See what a database is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from flask_paysafer.inbox.store import Inbox


def statements_of(inbox: Inbox, work: Callable[[], object]) -> list[str]:
    """Return the statements that reach the inbox's database while ``work`` runs."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    engine = inbox.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return said
