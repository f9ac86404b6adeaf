"""The command: which shop, which events, and how the result is shown."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

import click

from ...config import Config
from ...keys import is_loopback
from ...state import AppState
from .. import with_state
from .cases import CASES, Grade, examine
from .causes import NOBODY
from .clearing import clear
from .examiner import Examiner
from .report import Table, json_of, summary_of
from .speaking import Speaker


@click.command(short_help="Send a running shop what may come, and grade it.")
@click.argument("url")
@click.option(
    "--type",
    "kind",
    default="payment.created",
    show_default=True,
    help="The type of the events that are sent; the shop's handlers for it run.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--timeout", default=15.0, show_default=True, help="Seconds to wait for an answer.")
@click.option(
    "--yes-remote",
    is_flag=True,
    help="Examine a shop that is not on this machine. Only with its owner's consent.",
)
@click.option("--keep", is_flag=True, help="Leave the exam's events in the inbox.")
@with_state
def exam(
    state: AppState,
    url: str,
    *,
    kind: str,
    as_json: bool,
    timeout: float,
    yes_remote: bool,
    keep: bool,
) -> None:
    """Send the shop at URL what PaySafer and an attacker would, and grade its answers.

    URL is the webhook's address, or the shop's own. Events are of test mode, carry
    "paysafer_exam" in their metadata, and are taken out of the inbox again. Exits with 1 if
    the shop fails in any case.
    """
    target = _target(url, state.config)
    _check_consent(target, yes_remote=yes_remote)
    examiner = Examiner(state.config, Speaker(target, timeout=timeout), kind=kind)
    grades = _examine(examiner, target.geturl(), as_json=as_json)
    if not keep:
        _say_cleared(clear(state, examiner))
    if any(grade.outcome == "fail" for grade in grades):
        click.get_current_context().exit(1)


def _examine(examiner: Examiner, url: str, *, as_json: bool) -> list[Grade]:
    if not as_json:
        return _examine_aloud(examiner, url)
    grades = list(_graded(examiner))
    click.echo(json_of(url, grades, not_tried=len(CASES) - len(grades)))
    return grades


def _say_cleared(count: int) -> None:
    if count:
        click.echo(f"The inbox is clear of the exam's {count} events again.", err=True)
    else:
        click.echo("The inbox of these settings holds no event of the exam.", err=True)


def _examine_aloud(examiner: Examiner, url: str) -> list[Grade]:
    table, grades = Table(), []
    click.echo(table.head(url))
    for grade in _graded(examiner):
        grades.append(grade)
        click.echo(table.row(grade))
    click.echo(summary_of(grades))
    if len(grades) < len(CASES):
        click.echo(f"The other {len(CASES) - len(grades)} cases were not tried.")
    return grades


def _graded(examiner: Examiner) -> Iterator[Grade]:
    """Yield each case's grade, up to the first that reaches nobody."""
    for case in CASES:
        grade = examine(case, examiner)
        yield grade
        if grade.finding is NOBODY:
            return


def _target(url: str, config: Config) -> SplitResult:
    parts = _split(url if "://" in url else f"http://{url}")
    if parts is None:
        raise click.BadParameter(
            "it must be an address such as http://127.0.0.1:5000.", param_hint="URL"
        )
    path = parts.path.rstrip("/") or f"{config.url_prefix}/webhook"
    return parts._replace(path=path, query="", fragment="")


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None


def _check_consent(target: SplitResult, *, yes_remote: bool) -> None:
    if not yes_remote and not is_loopback(target.hostname or ""):
        raise click.UsageError(
            f"{target.hostname} is not this machine. An exam sends forged and oversized requests "
            "and has its handlers run for test events: with its owner's consent, add "
            "--yes-remote."
        )
