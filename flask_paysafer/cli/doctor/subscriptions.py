"""Whether renewals are run, and can be charged."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ...errors import PaySaferError
from ..output import listed
from .checking import CheckContext, Finding, error, ok, warning

_QUIET = timedelta(days=1)


def check_subscriptions(context: CheckContext) -> Iterator[Finding]:
    """Yield what keeps renewals from being charged, where there are subscriptions."""
    state = context.state
    if not state.registrations.plans and not _has_subscriptions(context):
        return
    try:
        found = [*_findings(context)]
    except PaySaferError:
        return  # the check of the inbox, or of the settings, says why
    yield from found or [ok("Renewals are run, and every subscription has its plan.")]


def _has_subscriptions(context: CheckContext) -> bool:
    try:
        return context.state.subscriptions.health().live > 0
    except PaySaferError:
        return False


def _findings(context: CheckContext) -> Iterator[Finding]:
    health = context.state.subscriptions.health()
    if health.missing_plans:
        names = [f"{name!r} ({count})" for name, count in sorted(health.missing_plans.items())]
        yield error(
            f"Subscriptions have plans that are not registered: {listed(names)}.",
            reason="Nothing of them is charged.",
            hint="Register the plans with @paysafer.plan, or cancel their subscriptions.",
        )
    if health.overdue is not None and health.overdue > _QUIET:
        how = "Celery's beat" if context.config.dispatch == "celery" else "cron"
        yield error(
            f"Renewals have been due for {health.overdue.days} day(s): no runner has run.",
            reason="Customers are not charged, and the plan's catch_up decides what they will be.",
            hint=f"Check {how}: `flask paysafer renewals run` belongs there, every few minutes.",
        )
    if health.unpriced:
        yield warning(
            f"Plan functions raised for {health.unpriced} period(s), which stay due.",
            reason="They are asked again each hour, and nothing is charged before they answer.",
            hint="The log has the traceback of each; `flask paysafer renewals due` lists them.",
        )
    if health.expiring:
        yield warning(
            f"{health.expiring} saved card(s) expire before they are charged next.",
            reason="The renewal will be declined, and the customer asked for another card.",
            hint="Ask them now: `flask paysafer subscriptions list` shows when each is charged.",
        )
