"""What is registered for events, and what each handler can rely on."""

from __future__ import annotations

from collections.abc import Iterator

from ....events import EVENT_TYPES, LOCAL_EVENT_TYPES
from ....webhooks.handlers import Handler
from ..findings import Finding, note, ok, warning
from ..patient import Patient


def check_handlers(patient: Patient) -> Iterator[Finding]:
    """Yield the handlers and what they lack."""
    handlers = list(patient.state.registry)
    yield from _unhandled(patient)
    for handler in handlers:
        yield from _look_at(handler)
        yield _guarantee(handler, patient)
    if not patient.has_checkout:
        yield note(
            "No order loader is registered.",
            cure="To sell through the checkout, register one with @paysafer.order_loader.",
        )


def _unhandled(patient: Patient) -> Iterator[Finding]:
    handled = patient.handled_types()
    if not handled:
        yield warning(
            "No handler is registered for any event.",
            why="Events are stored as ignored: nothing is done when somebody pays.",
            cure='Register one with @paysafer.on("payment.completed"), in a module that the app '
            "imports.",
        )
    elif "payment.completed" not in handled:
        yield warning(
            "No handler is registered for payment.completed.",
            why="Nothing is done when somebody pays.",
            cure='Register one with @paysafer.on("payment.completed"), in a module that the app '
            "imports.",
        )


def _look_at(handler: Handler) -> Iterator[Finding]:
    known = (*EVENT_TYPES, *LOCAL_EVENT_TYPES)
    unknown = [
        pattern
        for pattern in handler.patterns
        if not any(Handler("", print, (pattern,)).wants(kind) for kind in known)
    ]
    if unknown:
        yield warning(
            f"The handler {handler.name} is for {', '.join(unknown)}, which PaySafer does not "
            "document.",
            why="If it is misspelt, the handler never runs.",
            cure=f"The documented types are {', '.join(EVENT_TYPES)}.",
        )
    if "<lambda>" in handler.name or "<locals>" in handler.name:
        yield note(
            f"The handler {handler.name} has a name that changes with the code around it.",
            why="The ledger knows handlers by name: under a new one, what is not done runs anew.",
            cure='Name it: @paysafer.on(…, name="fulfil").',
        )


def _guarantee(handler: Handler, patient: Patient) -> Finding:
    if patient.state.db is not None:
        return ok(
            f"{handler.name}: exactly once for its database writes, which are committed together "
            "with the note that it is done; for calls elsewhere, pass event.idempotency_key(…)."
        )
    return ok(
        f"{handler.name}: once, but at least once if the process dies between the handler's end "
        "and the note of it. With PaySafer(db=db) database writes are exactly once."
    )
