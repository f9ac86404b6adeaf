"""See what a database is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from sqlalchemy import event

from flask_paysafer.inbox import statements
from flask_paysafer.inbox.store import Inbox


def statements_of(inbox: Inbox, work: Callable[[], object]) -> list[str]:
    """Return the statements that reach the inbox's database while ``work`` runs."""
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    def ask(connection: Any, text: str, *rest: Any) -> Any:
        said.append(text)
        return ask_driver(connection, text, *rest)

    ask_driver = statements.ask_driver
    engine = inbox.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        with patch.object(statements, "ask_driver", ask):
            work()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return said
