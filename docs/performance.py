"""Write the performance page from a run: ``python -m docs.performance FIGURES.json``.

The figures come from ``python -m tests.benchmarks --json FIGURES.json``; goals that the
run missed are shown as missed.
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
CHART = HERE / "_static" / "performance.svg"
PAGE = HERE / "performance.md"

TRIED = """\
## What was found

- **The Celery backlog** is bound by one durable transaction for every event: begin, its execution row, the handler's write,
  the mark that it is done and the commit are five trips to the database, and a merchant's session around them. Fifty
  events in one transaction would be faster by far, and were not taken: a handler that reaches for the same row over a
  second connection would wait for its own worker forever, a rollback by one handler would undo what others had done,
  and locks would be held for as long as the slowest of them. To mark a whole batch done with one statement was built,
  and gained nothing that could be measured.
- **PostgreSQL's time goes into trips to the server**, so one statement stores an event or knows it again and counts the
  delivery, and one writes the last handler's execution row with the mark that the event is done, unless `PaySafer(db=db)`
  has them join the handler's own transaction.
- **The checkout page** has Flask's context, the addresses, the CSRF token and the language above its bare templates. The
  digests of its script and style sheet are worked out once.
- **A small webhook body** costs three Python-level checks that the hand-written line leaves out: the header's form and age,
  keys given twice, and the event's fields. They are some 4 µs whatever the size, which shows at 0.4 kB and not at 4 kB.
  A faster reader of JSON does not help: orjson takes a key that is given twice without a word, and to see that nothing
  was lost takes most of what it has gained: the ratio would be 1.35.
- **Duplicates** cost a request and one short statement, and new events became faster than they did: where the disk is
  quick, the ratio is near its goal, where it is slow, well below.
- **Statements built once** and handed to the driver as text, on the inbox's own engines past SQLAlchemy's execution,
  took a tenth off a whole event on PostgreSQL and on SQLite. A merchant's engine has listeners, modes and a pool that
  only SQLAlchemy looks after: there it is asked as ever. SQLite is first asked whether it knows the event, for reading
  waits for no writer.

"""

HEAD = """\
# Performance

## What it means for a shop

"""

METHOD = """\
## How it is measured

Every figure is a ratio to what a merchant would use or write instead. Both are measured in turns within one run, so that
noise affects both equally. Repeat it with `pip install -e ".[bench]"` and `python -m tests.benchmarks` (`--quick` takes under
three minutes; names run some). No durability, check or isolation is traded for speed: the inbox commits to the disk
before it answers. `python -m docs.performance` makes this page from a run.

"""

LANES = {"µs": 1e6, "ms": 1e3, "s": 1.0}


def main(figures: str) -> None:
    """Write page and chart."""
    run = json.loads(Path(figures).read_text(encoding="utf-8"))
    findings: list[dict[str, Any]] = run["findings"]
    CHART.write_text(chart([one for one in findings if one["goal"]]), encoding="utf-8")
    PAGE.write_text(page(run["machine"], findings), encoding="utf-8")


def page(machine: dict[str, Any], findings: list[dict[str, Any]]) -> str:
    """Return the page."""
    held = [one for one in findings if one["goal"]]
    met = sum(one["met"] for one in held)
    where = f"Python {machine['python']} on {machine['system']}, {machine['cores']} cores"
    rows = "\n".join(row(one) for one in findings)
    return (
        f"{HEAD}{meaning(findings)}{METHOD}**{met} of {len(held)} goals were met** in the run shown here ({where}).\n\n"
        "![Each figure's distance to its goal](_static/performance.svg)\n\n"
        "| Measured | Against | Ours | Theirs | Ratio (min … max) | Goal | |\n"
        f"|---|---|---|---|---|---|---|\n{rows}\n\n{TRIED}{on_paper(findings)}"
    )


def meaning(findings: list[dict[str, Any]]) -> str:
    """Say what the figures come to for somebody who runs a shop."""
    inline = cost(findings, "inline webhook, PostgreSQL")
    duplicate = cost(findings, "duplicate of a done event, PostgreSQL")
    queued = cost(findings, "queued acknowledgement")
    call = cost(findings, "client POST")
    page = cost(findings, "checkout page render")
    return f"""\
- **Webhooks cost next to nothing.** Verifying, storing, handling and committing one takes {inline * 1e3:.2g} ms on
  PostgreSQL, your own code not counted. One web process keeps up with some {0.7 / inline:.0f} a second; a shop with a
  thousand orders a day receives a few a minute.
- **Retries and forgeries cost less**: a duplicate takes {duplicate * 1e3:.2g} ms, and what is not authentic is rejected
  before the database is asked.
- **Slow handlers belong on Celery.** The webhook is then acknowledged in {queued * 1e3:.2g} ms, however long they take.
- **The API client adds {call * 1e3:.2g} ms** to a call that takes PaySafer a hundred or more.
- **The checkout page is rendered in {page * 1e3:.2g} ms**, and needs no request to PaySafer to be shown.
- **Age doesn't matter.** With a million stored events the inbox is as fast as with a thousand, and a worker's memory
  does not grow.

"""


def row(finding: dict[str, Any]) -> str:
    """Return one line of the table."""
    ratio, goal = finding["ratio"], finding["goal"]
    verdict = "" if goal is None else ("met" if finding["met"] else "**missed**")
    ours, theirs = (amount(finding[side], finding["unit"]) for side in ("ours", "theirs"))
    spread = f"{ratio['median']:.2f} ({ratio['min']:.2f} … {ratio['max']:.2f})"
    return (
        f"| {finding['subject']} | {finding['against']} | {ours} | {theirs} | {spread} "
        f"| {bound(goal)} | {verdict} |"
    )


def bound(goal: dict[str, Any] | None) -> str:
    """Return a goal as it is written."""
    return "" if goal is None else f"{'≥' if goal['at_least'] else '≤'} {goal['limit']:g}"


def amount(series: list[float], unit: str) -> str:
    """Return the middle of a series, with its unit."""
    value = median(series)
    if unit != "seconds":
        return f"{value:,.0f}/s" if unit == "per second" else f"{value:.1f} {unit}"
    name = next((name for name, lane in LANES.items() if value * lane < 1000), "s")
    return f"{value * LANES[name]:.3g} {name}"


def chart(findings: list[dict[str, Any]]) -> str:
    """Draw how much of its goal each figure takes: shorter is better, the line is the goal."""
    step, left, width = 22, 420, 300
    height = step * len(findings) + 40
    bars = []
    for number, finding in enumerate(findings):
        share = share_of_goal(finding)
        top = 30 + step * number
        kind = "met" if finding["met"] else "missed"
        label = escape(f"{finding['subject']} / {finding['against']}")
        short = label if len(label) < 62 else f"{label[:60]}…"
        bars.append(
            f'<text x="{left - 8}" y="{top + 12}" text-anchor="end">{short}</text>'
            f'<rect class="{kind}" x="{left}" y="{top}" height="15" rx="3" '
            f'width="{min(share, 1.6) * width / 1.6:.0f}"><title>{label}</title></rect>'
        )
    line = left + width / 1.6
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {height}" '
        'role="img" aria-label="How much of its goal each figure takes">'
        "<style>text{font:12px system-ui,sans-serif;fill:#555}.met{fill:#2a9d8f}"
        ".missed{fill:#c1440e}line{stroke:#555;stroke-dasharray:4 3}</style>"
        f'<text x="{line:.0f}" y="18" text-anchor="middle">goal</text>{"".join(bars)}'
        f'<line x1="{line:.0f}" x2="{line:.0f}" y1="24" y2="{height - 8}"/></svg>\n'
    )


def share_of_goal(finding: dict[str, Any]) -> float:
    """Return how much of what its goal allows a figure takes; 1 is just met."""
    ratio, goal = finding["ratio"]["median"], finding["goal"]
    share: float = goal["limit"] / ratio if goal["at_least"] else ratio / goal["limit"]
    return share


def on_paper(findings: list[dict[str, Any]]) -> str:
    """Say what the unit costs come to at three sizes."""
    inline = cost(findings, "inline webhook, PostgreSQL")
    queued = cost(findings, "queued acknowledgement")
    handled = 1 / cost(findings, "Celery backlog")
    lines = "\n".join(
        f"| {rate:,} | {cores(rate * inline)} | {cores(rate * queued)} | {cores(rate * handled)} "
        f"| {2 * rate:,} |"
        for rate in (10, 1000, 50_000)
    )
    return f"""\
## At internet scale, on paper

From the unit costs of that run: {inline * 1e3:.2g} ms for an event handled in its request, {queued * 1e3:.2g} ms to
acknowledge one for Celery, and {handled * 1e3:.2g} ms to handle it there with a handler that writes a row. Web and worker
processes are counted at 70 % load; real handlers do more than write a row, so add their time to every event.

| Events per second | Inline: web processes | Celery: web processes | Celery: worker processes | Database commits per second |
|---|---|---|---|---|
{lines}

- **At 10 a second** one host does everything, with SQLite or PostgreSQL.
- **At 1,000 a second** the bottleneck is the database's commits, two for an event with one handler: its receipt,
  and the handler's writes with their execution row and the mark that the event is done. One PostgreSQL server on fast disks commits
  several thousand times a second, for commits that come together share a write.
- **At 50,000 a second** one server no longer does. Nothing but the event's own row is shared between events, so the inbox
  splits by account and by a hash of the event's id: one database for each part, each with its own workers and sweep, and
  a router that keeps redeliveries of an event on one part. Handlers' writes have to live in the same part for *exactly
  once*.
- **Pruning** is what keeps tables small: at 1,000 a second a day is 86 million rows. Run `flask paysafer events prune`
  every hour; above that, partition `paysafer_event` by `received_at` and drop whole partitions.
"""


def cost(findings: list[dict[str, Any]], subject: str) -> float:
    """Return our median of the finding whose subject begins so."""
    found = next(one for one in findings if one["subject"].startswith(subject))
    return float(median(found["ours"]))


def cores(busy: float) -> str:
    """Return how many processes ``busy`` seconds of work a second need at 70 % load."""
    return f"{max(1, -(-busy // 0.7)):,.0f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
