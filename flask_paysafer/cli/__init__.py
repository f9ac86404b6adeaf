"""The ``flask paysafer`` commands, each in a file of its own.

A command's file is imported when it is asked for, so that the others cost
nothing. Commands take the :class:`~flask_paysafer.state.AppState` of the chosen
account as their first argument: decorate them with :func:`with_state`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import update_wrapper
from importlib import import_module
from typing import Any, Concatenate, ParamSpec, TypeVar

import click
from flask import Flask, current_app, has_app_context
from flask.cli import ScriptInfo, with_appcontext

from ..errors import ConfigurationError, PaySaferError
from ..state import AppState, states
from .output import LOG, CommandError, say

P = ParamSpec("P")
R = TypeVar("R")
ChosenT = TypeVar("ChosenT")

COMMANDS = {
    "checkouts": "checkouts",
    "doctor": "doctor",
    "endpoints": "endpoints",
    "events": "events",
    "exam": "exam",
    "probe": "probe",
    "reconcile": "reconcile",
    "renewals": "subscriptions",
    "subscriptions": "subscriptions",
    "trigger": "trigger",
}
"""The commands that have a module of their own in this package, and its name."""


class CommandGroup(click.Group):
    """A group that imports a command's module when the command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command called ``cmd_name``."""
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = import_module(f".{COMMANDS[cmd_name]}", __name__)
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group("paysafer", cls=CommandGroup)
@click.option(
    "--account",
    metavar="NAME",
    help="The extension to use where an app has several: the name given to PaySafer(name=…).",
)
@click.pass_context
def paysafer_cli(ctx: click.Context, account: str | None) -> None:
    """Look after PaySafer payments and webhooks."""
    ctx.meta[__name__] = account
    ctx.with_resource(LOG.shown())


def with_state(command: Callable[Concatenate[AppState, P], R]) -> Callable[P, R]:
    """Run ``command`` in the app's context, with the chosen account's state first.

    Our own errors end it as one clean line on the terminal, with exit code 1.
    """

    return _in_app(command, _chosen_state)


def with_states(command: Callable[Concatenate[list[AppState], P], R]) -> Callable[P, R]:
    """As :func:`with_state`, with the states of all accounts where none is chosen."""
    return _in_app(command, _chosen_states)


def _in_app(
    command: Callable[Concatenate[ChosenT, P], R], choose: Callable[[], ChosenT]
) -> Callable[P, R]:
    @with_appcontext
    def run_in_context(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(choose(), *args, **kwargs)
        except PaySaferError as error:
            raise CommandError(str(error)) from error

    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        _load_app()
        return run_in_context(*args, **kwargs)

    wrapped: Any = update_wrapper(run, command)
    return wrapped  # type: ignore[no-any-return]


def _load_app() -> None:
    """Load the app here: where Flask does it, settings that are refused end in a traceback."""
    if has_app_context():
        return
    try:
        click.get_current_context().ensure_object(ScriptInfo).load_app()
    except ConfigurationError as error:
        hint = "Run `flask paysafer doctor` to have all settings looked at."
        raise CommandError(f"{error}\n{hint}") from error


def chosen_account(ctx: click.Context) -> str | None:
    """Return what ``--account`` says."""
    account: str | None = ctx.meta.get(__name__)
    return account


def _chosen_state() -> AppState:
    account = chosen_account(click.get_current_context())
    found = accounts_of(current_app)
    if account is None and len(found) == 1:
        return next(iter(found.values()))
    return account_called(account or "paysafer", found)


def _chosen_states() -> list[AppState]:
    if chosen_account(click.get_current_context()) is not None:
        return [_chosen_state()]
    return list(accounts_of(current_app).values())


def accounts_of(app: Flask) -> Mapping[str, AppState]:
    """Return the state of every PaySafer account of the app, by name.

    :raises ConfigurationError: if it has none.
    """
    found = states(app)
    if not found:
        raise ConfigurationError(
            "This app has no PaySafer extension. Call paysafer.init_app(app) where the app is made."
        )
    return found


def account_called(name: str, found: Mapping[str, AppState]) -> AppState:
    """Return the account called ``name``.

    :raises ConfigurationError: if there is none.
    """
    if name not in found:
        raise ConfigurationError(
            f"This app has no PaySafer account called {name!r}. "
            f"Choose one with --account: {', '.join(sorted(found))}."
        )
    return found[name]


@paysafer_cli.command("init-db")
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
        say(f"Inbox: {line}.")
