"""The command. It loads the app itself: that an app does not start is its first finding."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import ScriptInfo

from ...errors import ConfigurationError
from ...redaction import redact
from ...state import AppState
from .. import account_called, accounts_of, chosen_account
from .checks import CHECKS
from .findings import Finding, error
from .patient import Patient
from .report import json_of, show
from .running import Result, examine


@click.command(short_help="Look for what is wrong, and say how to mend it.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.option("--offline", is_flag=True, help="Ask neither the API nor the webhook's address.")
@click.option(
    "--url", help="The webhook's public address, or the site's, if it has no SERVER_NAME."
)
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings, too.")
@click.pass_context
def doctor(
    ctx: click.Context, *, as_json: bool, offline: bool, url: str | None, strict: bool
) -> None:
    """Look for what is wrong with this app's payments, and say how to mend it.

    Changes nothing. Exits with 1 if there is an error.
    """
    results = _results(ctx, offline=offline, url=url)
    if as_json:
        click.echo(json_of(results))
    else:
        show(results)
    bad = {"error", "warning"} if strict else {"error"}
    if any(result.finding.level in bad for result in results):
        ctx.exit(1)


def _results(ctx: click.Context, *, offline: bool, url: str | None) -> list[Result]:
    account = chosen_account(ctx)
    try:
        chosen = _chosen(ctx.ensure_object(ScriptInfo).load_app(), account)
        patients = [Patient(state, is_offline=offline, given_url=url) for state in chosen]
        _ = [patient.url for patient in patients]  # refuses what is no address
    except ConfigurationError as refusal:
        return [Result(account or "paysafer", "settings", _of_refusal(refusal.message))]
    except click.ClickException:
        raise
    except Exception as failure:  # noqa: BLE001 (whatever the shop's own code raises)
        return [Result(account or "paysafer", "app", _of_crash(failure))]
    return [result for patient in patients for result in examine(patient, CHECKS)]


def _chosen(app: Flask, account: str | None) -> list[AppState]:
    found = accounts_of(app)
    return [*found.values()] if account is None else [account_called(account, found)]


def _of_refusal(message: str) -> Finding:
    what, _, cure = message.partition(". ")
    return error(
        f"{what.rstrip('.')}.",
        why="The app does not start like this, and so it takes no payment wrongly.",
        cure=cure or message,
    )


def _of_crash(failure: Exception) -> Finding:
    return error(
        f"The app can't be loaded: {type(failure).__name__}: {redact(str(failure))}",
        why="Nothing else can be looked at.",
        cure="Start it with `flask run` to see where this comes from, and mend that first.",
    )
