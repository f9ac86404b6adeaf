"""Whether what comes in is handled: which handlers there are, what fails, and what is paid."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from ...errors import InboxUnavailableError
from ...events import EVENT_TYPES, LOCAL_EVENT_TYPES
from ...inbox.queries import EventFilter
from ...inbox.records import State
from ...webhooks.handlers import Handler
from ..output import counted, listed
from .checking import CheckContext, Finding, error, note, ok, warning

_FULFILLING = ("payment.completed", "checkout.paid")
"""The types on which shops fulfil an order."""
_GRACE = 300
"""Seconds within which a paid order need not be fulfilled."""
_WINDOW = 7 * 86_400
_LOOKED_AT = 500


def check_handlers(context: CheckContext) -> Iterator[Finding]:
    """Yield what handlers are registered, what they can rely on, and where they fail."""
    handlers = list(context.state.registry)
    yield from _unhandled(context)
    yield from _odd_names(handlers)
    yield from _guarantee(handlers, context)
    if not context.has_checkout:
        yield note(
            "No order loader is registered.",
            hint="To sell through the checkout, register one with @paysafer.order_loader.",
        )
    try:
        yield from _failing(context)
        yield from _unfulfilled(context)
    except InboxUnavailableError:
        return  # the check of the inbox says why


def _unhandled(context: CheckContext) -> Iterator[Finding]:
    wants = context.state.event_run.jobs.wants
    if any(map(wants, _FULFILLING)):
        return
    kinds = "any event" if not context.handled_types() else " or ".join(_FULFILLING)
    yield warning(
        f"No handler is registered for {kinds}.",
        reason="Events are stored as ignored: nothing is done when a customer pays.",
        hint='Register one with @paysafer.on("payment.completed"), in a module that the app '
        "imports.",
    )


def _odd_names(handlers: list[Handler]) -> Iterator[Finding]:
    known = (*EVENT_TYPES, *LOCAL_EVENT_TYPES)
    for handler in handlers:
        unknown = [
            pattern
            for pattern in handler.patterns
            if not any(Handler("", print, (pattern,)).wants(kind) for kind in known)
        ]
        if unknown:
            yield warning(
                f"The handler {handler.name} is for {', '.join(unknown)}, which PaySafer does not "
                "document.",
                reason="If it is misspelt, the handler never runs.",
                hint=f"The documented types are {', '.join(EVENT_TYPES)}.",
            )
    unstable = [one.name for one in handlers if "<lambda>" in one.name or "<locals>" in one.name]
    if unstable:
        yield note(
            f"The names of these handlers change with the code around them: {listed(unstable)}.",
            reason="Executions are stored by the handler's name: under a new one, it runs again.",
            hint='Name them: @paysafer.on(…, name="fulfil").',
        )


def _guarantee(handlers: list[Handler], context: CheckContext) -> Iterator[Finding]:
    if not handlers:
        return
    names = listed([handler.name for handler in handlers])
    if context.state.db is not None:
        yield ok(
            f"{names}: exactly once for database writes, which are committed together with the "
            "record that the handler ran; for calls elsewhere, pass event.idempotency_key(…)."
        )
    else:
        yield ok(
            f"{names}: normally once; may repeat if the process dies before it is recorded. With "
            "PaySafer(db=db) database writes are exactly once."
        )


def _failing(context: CheckContext) -> Iterator[Finding]:
    """Yield each handler's error once, with the number of events that it keeps from being done."""
    browser = context.state.inbox.browser
    rows = browser.find(EventFilter(states=("pending", "processing", "failed")), limit=_LOOKED_AT)
    troubles = browser.troubles(rows)
    groups: dict[tuple[bool, str, str], list[str]] = {}
    for row in rows:
        found = troubles.get(row.key)
        if found is not None or row.state == "failed":
            handler, message = (found.handler, found.error) if found else ("A handler", "unknown")
            groups.setdefault((row.state == "failed", handler, message), []).append(row.event_id)
    for (is_final, handler, message), event_ids in sorted(groups.items(), reverse=True):
        yield _failure(handler, message, event_ids, is_final=is_final)


def _failure(handler: str, message: str, event_ids: list[str], *, is_final: bool) -> Finding:
    what = f"{handler} has failed for {counted(len(event_ids), 'event')}: {message:.200}"
    if is_final:
        return error(
            what,
            reason="What it should have done is not done.",
            hint=f"Fix it, then `flask paysafer events replay --state failed`. Where it failed: "
            f"`flask paysafer events show {event_ids[0]}`.",
        )
    return warning(
        what,
        reason="It is tried again, with pauses that grow, until its attempts are used up.",
        hint=f"See where it failed: `flask paysafer events show {event_ids[0]}`.",
    )


def _unfulfilled(context: CheckContext) -> Iterator[Finding]:
    """Yield the orders of the last week that are paid and that no handler is done with."""
    orders = _paid_orders(context)
    states = _states_of_payments(context, list(orders))
    lost = [order for payment, order in orders.items() if payment not in states]
    ignored = [order for payment, order in orders.items() if states.get(payment) == "ignored"]
    if lost:
        yield error(
            f"{counted(len(lost), 'order is', 'orders are')} paid, and no event of the payment "
            f"came in: {listed(lost)}.",
            reason="No handler has fulfilled what was paid.",
            hint="Run `flask paysafer reconcile --apply`; see the checks of the endpoint and of "
            "the secrets.",
        )
    if ignored:
        yield error(
            f"{counted(len(ignored), 'order is', 'orders are')} paid, and no handler was there for "
            f"it: {listed(ignored)}.",
            reason="No handler has fulfilled what was paid.",
            hint='Register a handler with @paysafer.on("payment.completed"), then `flask paysafer '
            "events replay --state ignored --type payment.completed`.",
        )


def _paid_orders(context: CheckContext) -> dict[str, str]:
    """Return the references of paid orders by their payments' ids."""
    inbox = context.state.inbox
    attempt, now = inbox.database.tables.checkout_attempt, inbox.browser.now()
    query = select(attempt.c.payment_id, attempt.c.reference).where(
        attempt.c.account == inbox.account,
        attempt.c.state == "succeeded",
        attempt.c.payment_id.is_not(None),
        attempt.c.begun_at.between(now - _WINDOW * 1000, now - _GRACE * 1000),
    )
    with inbox.database.connected() as connection:
        found = connection.execute(query.limit(_LOOKED_AT)).all()
    return {row.payment_id: row.reference for row in found}


def _states_of_payments(context: CheckContext, payments: list[str]) -> dict[str, State]:
    """Return the best state of the events that say that a payment is completed."""
    inbox = context.state.inbox
    event = inbox.database.tables.event
    states: dict[str, State] = {}
    if not payments:
        return states
    with inbox.database.connected() as connection:
        since = inbox.browser.now() - (_WINDOW + 86_400) * 1000
        query = select(event.c.object_id, event.c.state).where(
            event.c.account == inbox.account,
            event.c.key >= inbox.browser.first_key_since(connection, since),
            event.c.object_id.in_(payments),
            event.c.type.in_(_FULFILLING),
        )
        for payment, state in connection.execute(query):
            if states.get(payment) in (None, "ignored"):
                states[payment] = state
    return states
