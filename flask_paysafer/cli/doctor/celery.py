"""Whether Celery is there, works, and sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import InboxUnavailableError
from .checking import CheckContext, Finding, error, note, ok, warning

_ANSWER = 2.0
"""Seconds that broker and workers have to answer."""
_HANDLE, _SWEEP = "flask_paysafer.handle", "flask_paysafer.sweep"
_START_BEAT = "Start beat: `celery -A your_app beat`; one of it in all."


def check_celery(context: CheckContext) -> Iterator[Finding]:
    """Yield the state of Celery, where it is used."""
    if context.config.dispatch != "celery":
        return
    celery = context.state.app.extensions.get("celery")
    if celery is None:
        yield error(
            f'{context.setting("DISPATCH")} is "celery", and app.extensions["celery"] is not set.',
            reason="Events are stored, and nothing is processing them.",
            hint='Set app.extensions["celery"] to your Celery, as Flask\'s page on Celery shows.',
        )
        return
    yield from _configuration(celery)
    if context.is_offline:
        yield note("Broker and workers were not asked.")
        return
    problem = _broker_problem(celery)
    if problem is not None:
        yield _unreachable(problem)
        return
    yield from _workers(celery)
    yield from _sweeping(context, celery)


def _configuration(celery: Any) -> Iterator[Finding]:
    if celery.conf.task_always_eager:
        yield warning(
            "Celery runs with task_always_eager.",
            reason="Handlers run in the request after all, and nothing is swept.",
            hint="Turn it off outside of tests.",
        )


def _broker_problem(celery: Any) -> str | None:
    try:
        with celery.connection_for_write(connect_timeout=_ANSWER) as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_ANSWER)
    except Exception as failure:  # noqa: BLE001 (each broker's driver has errors of its own)
        return type(failure).__name__
    return None


def _unreachable(problem: str) -> Finding:
    return error(
        f"Celery's broker can't be reached ({problem}).",
        reason="Events are stored and wait until it is back.",
        hint="See that it is up, and that broker_url is right.",
    )


def _workers(celery: Any) -> Iterator[Finding]:
    answers = celery.control.ping(timeout=_ANSWER)
    if not answers:
        yield error(
            "No Celery worker answers.",
            reason="Events are stored, and nothing is processing them.",
            hint="Start one: `celery -A your_app worker`.",
        )
        return
    registered = celery.control.inspect(timeout=_ANSWER).registered() or {}
    without = [name for name, tasks in registered.items() if _HANDLE not in tasks]
    if without:
        yield error(
            f"The worker {without[0]} does not know flask_paysafer's tasks.",
            reason="It drops the messages of events.",
            hint="Create the Flask app in the module that the worker loads.",
        )
    else:
        yield ok(f"{len(answers)} Celery workers answer and know the tasks.")


def _sweeping(context: CheckContext, celery: Any) -> Iterator[Finding]:
    limit = 3 * context.config.sweep_interval + 30
    waiting = list(_waiting(context, limit))
    yield from waiting or _beat(limit, celery.control.inspect(timeout=_ANSWER).stats() or {})


def _beat(limit: float, workers: dict[str, dict[str, Any]]) -> Iterator[Finding]:
    """Judge by what the workers have been sent, for beat itself can't be asked."""
    sweeps = sum(worker.get("total", {}).get(_SWEEP, 0) for worker in workers.values())
    oldest = max((worker.get("uptime", 0) for worker in workers.values()), default=0)
    if sweeps:
        yield ok("Sweeps come in: beat is running, or was since the workers started.")
    elif oldest > limit:
        yield error(
            f"The workers have been up for {oldest:.0f} s, and no sweep has come by.",
            reason="What the broker loses is never handled, and no failed handler is tried again.",
            hint=_START_BEAT,
        )
    elif workers:
        yield note(
            "The workers have just started, and no sweep has come by yet.",
            hint=f"Look again in {limit:.0f} seconds.",
        )


def _waiting(context: CheckContext, limit: float) -> Iterator[Finding]:
    try:
        waited = context.state.inbox.browser.oldest_due()
    except InboxUnavailableError:
        return  # the check of the inbox says why
    if waited is not None and waited > limit:
        yield error(
            f"An event has been due for {waited:.0f} s, and no sweep has come by.",
            reason="What the broker loses is never handled.",
            hint=_START_BEAT,
        )
