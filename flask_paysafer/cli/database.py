"""``flask paysafer init-db``: make the inbox's tables, or bring them up to date."""

from __future__ import annotations

import click

from ..state import AppState
from . import with_state


@click.command("init-db")
@with_state
def init_db(state: AppState) -> None:
    """Make the inbox's tables, or upgrade them. Safe to run at every deployment.

    Where Flask-Migrate or create_all makes the tables, it is not needed.
    """
    from ..inbox.database import translated_errors
    from ..inbox.migrations import make_tables

    database = state.inbox.database
    with translated_errors():
        done = make_tables(database.unprepared_engine, database.tables)
    for line in done or ["everything is up to date"]:
        click.echo(f"Inbox: {line}.")
