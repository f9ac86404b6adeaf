"""``flask paysafer exam URL``: test a running shop with valid and hostile deliveries.

- ``cases``: what is sent, and which answer is right
- ``diagnosis``: from a wrong answer to its likely cause and a hint
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, urlsplit

import click

from ...config import Config
from ...errors import InboxUnavailableError
from ...inbox.store import aside_id
from ...keys import is_loopback
from ...state import AppState
from .. import with_state
from ..http import HTTPClient
from ..output import heading, say
from .cases import CASES, Grade, Runner, grade_case
from .diagnosis import NOBODY, Finding


@click.command(short_help="Test a running shop with valid and hostile deliveries.")
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
    runner = Runner(state.config, HTTPClient(target, timeout=timeout), kind=kind)
    grades = _examine(runner, target.geturl(), as_json=as_json)
    if not keep:
        _say_cleared(_clean_up(state, runner))
    if any(grade.outcome == "fail" for grade in grades):
        click.get_current_context().exit(1)


def _examine(runner: Runner, url: str, *, as_json: bool) -> list[Grade]:
    if not as_json:
        return _examine_aloud(runner, url)
    grades = list(_graded(runner))
    click.echo(json_of(url, grades, not_tried=len(CASES) - len(grades)))
    return grades


def _say_cleared(count: int) -> None:
    if count:
        say(f"The inbox is clear of the exam's {count} events again.", err=True)
    else:
        say("The inbox of these settings holds no event of the exam.", err=True)


def _examine_aloud(runner: Runner, url: str) -> list[Grade]:
    report, grades = Report(), []
    heading(f"Examining {url}")
    for grade in _graded(runner):
        grades.append(grade)
        report.row(grade)
    report.end(grades)
    return grades


def _graded(runner: Runner) -> Iterator[Grade]:
    """Yield each case's grade, up to the first that reaches no server."""
    for case in CASES:
        grade = grade_case(case, runner)
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


def _clean_up(state: AppState, runner: Runner) -> int:
    """Return how many of the exam's events were in the inbox that the settings lead to.

    It need not be the shop's: then there were none.
    """
    event_ids = {*runner.event_ids, *map(aside_id, runner.bodies)}
    try:
        return state.inbox.upkeep.remove(sorted(event_ids))
    except InboxUnavailableError:
        return 0


_COLOURS = {"pass": "green", "warn": "yellow", "fail": "red", "skip": "cyan"}


class Report:
    """Prints the cases as their grades come in, and the totals last."""

    def __init__(self) -> None:
        self._shown: set[Finding] = set()

    def row(self, grade: Grade) -> None:
        """Print a case; its cause and a hint the first time that they are met."""
        style = f"bold {_COLOURS[grade.outcome]}"
        case = grade.case
        answered = f" ({_shortened(grade.answered)})" if grade.answered else ""
        say(f"{case.name}: {case.story}{answered}", lead=f"{grade.outcome:<6}", style=style)
        finding = grade.finding
        if finding is None or finding in self._shown:
            return
        self._shown.add(finding)
        say(finding.cause, indent=6)
        if finding.hint:
            say(finding.hint, lead="Hint: ", indent=6)

    def end(self, grades: Sequence[Grade]) -> None:
        """Print the totals."""
        counts = {outcome: _count(grades, outcome) for outcome in _COLOURS}
        totals = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        not_tried = len(CASES) - len(grades)
        click.echo()
        if not_tried:
            say(f"The other {not_tried} cases were not tried.")
        say(f"{totals}.", style="bold red" if counts["fail"] else "bold green")


def _shortened(answered: str) -> str:
    return answered if len(answered) <= 48 else answered[:47] + "…"


def json_of(url: str, grades: Sequence[Grade], *, not_tried: int) -> str:
    """Return the whole result as JSON; ``not_tried`` counts the cases after that."""
    return json.dumps(
        {
            "url": url,
            "passed": not _count(grades, "fail"),
            "counts": {outcome: _count(grades, outcome) for outcome in _COLOURS},
            "not_tried": not_tried,
            "cases": [_entry(grade) for grade in grades],
        },
        indent=2,
    )


def _count(grades: Sequence[Grade], outcome: str) -> int:
    return sum(grade.outcome == outcome for grade in grades)


def _entry(grade: Grade) -> dict[str, object]:
    return {
        "case": grade.case.name,
        "story": grade.case.story,
        "outcome": grade.outcome,
        "answered": grade.answered,
        "right": sorted(grade.case.right),
        "cause": grade.finding.cause if grade.finding else None,
        "hint": grade.finding.hint if grade.finding else None,
    }
