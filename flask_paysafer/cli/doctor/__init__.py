"""``flask paysafer doctor``: says what is wrong, and how to fix it, before customers notice."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from flask import Flask
from flask.cli import ScriptInfo

from ...errors import ConfigurationError
from ...redaction import redact
from ...state import AppState
from .. import account_called, accounts_of, chosen_account
from ..output import counted, say
from ..output import heading as print_heading
from .api import check_api, check_endpoints, check_secrets
from .celery import check_celery
from .checking import LEVELS, Check, CheckContext, Finding, Level, Result, error, examine
from .checkout import check_checkout
from .handlers import check_handlers
from .inbox import check_inbox
from .route import check_limits, check_proxies, check_public_route, check_route
from .settings import check_names, check_settings
from .subscriptions import check_subscriptions

CHECKS = (
    Check("settings", check_settings),
    Check("setting names", check_names),
    Check("api", check_api),
    Check("endpoints", check_endpoints),
    Check("route", check_route),
    Check("public route", check_public_route),
    Check("limits", check_limits),
    Check("proxies", check_proxies),
    Check("webhook secrets", check_secrets),
    Check("inbox", check_inbox),
    Check("handlers", check_handlers),
    Check("celery", check_celery),
    Check("checkout", check_checkout),
    Check("subscriptions", check_subscriptions),
)
"""The checks, in the order in which they are shown."""


@click.command(short_help="Look for what is wrong, and say how to fix it.")
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
    """Look for what is wrong with this app's payments, and say how to fix it.

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
        contexts = [CheckContext(state, is_offline=offline, given_url=url) for state in chosen]
        _ = [context.url for context in contexts]  # refuses what is no address
    except ConfigurationError as refusal:
        return [Result(account or "paysafer", "settings", _of_refusal(refusal.message))]
    except click.ClickException:
        raise
    except Exception as failure:  # noqa: BLE001 (the shop's own code may raise anything)
        return [Result(account or "paysafer", "app", _of_crash(failure))]
    return [result for context in contexts for result in examine(context, CHECKS)]


def _chosen(app: Flask, account: str | None) -> list[AppState]:
    found = accounts_of(app)
    return [*found.values()] if account is None else [account_called(account, found)]


def _of_refusal(message: str) -> Finding:
    what, _, hint = message.partition(". ")
    return error(
        f"{what.rstrip('.')}.",
        reason="The app does not start like this, and so it takes no payment wrongly.",
        hint=hint or message,
    )


def _of_crash(failure: Exception) -> Finding:
    return error(
        f"The app can't be loaded: {type(failure).__name__}: {redact(str(failure))}",
        reason="Nothing else can be looked at.",
        hint="Start it with `flask run` to see where this comes from, and fix that first.",
    )


_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan", "ok": "green"}
_MARGIN = 9


def show(results: Sequence[Result]) -> None:
    """Print a table: what, and under it why it matters and what to do."""
    several = len({result.account for result in results}) > 1
    previous = ""
    for result in results:
        heading = f"{result.account}: {result.check}" if several else result.check
        if heading != previous:
            print_heading(heading)
        previous = heading
        _show_one(result)
    click.echo()
    say(_totals(results), style=f"bold {_COLOURS[_worst(results)]}")


def _show_one(result: Result) -> None:
    finding = result.finding
    say(finding.what, lead=f"{finding.level:<{_MARGIN}}", style=f"bold {_COLOURS[finding.level]}")
    for label, text in (("Why:  ", finding.reason), ("Hint: ", finding.hint)):
        if text:
            say(text, lead=label, indent=_MARGIN)


def _totals(results: Sequence[Result]) -> str:
    counts = Counter(result.finding.level for result in results)
    found = ", ".join(
        counted(counts[level], level, "ok" if level == "ok" else "")
        for level in LEVELS
        if counts[level]
    )
    is_well = not counts["error"] and not counts["warning"]
    return f"All is well: {found}." if is_well else f"{found}."


def _worst(results: Sequence[Result]) -> Level:
    levels = {result.finding.level for result in results} - {"note"}
    return next((level for level in LEVELS if level in levels), "ok")


def json_of(results: Sequence[Result]) -> str:
    """Return all of it as JSON."""
    counts = Counter(result.finding.level for result in results)
    return json.dumps(
        {
            "healthy": not counts["error"],
            "counts": {level: counts[level] for level in LEVELS},
            "findings": [
                {"account": result.account, "check": result.check, **asdict(result.finding)}
                for result in results
            ],
        },
        indent=2,
    )
