"""An example of every documented event, to send to an app that is being built or tested.

The payment and the event around it are PaySafer's own documented example, field
by field; payouts and disputes are assumed, for only their events are documented.
What is overridden has to exist and to be of the field's type: a test that sets
``amonut`` would otherwise pass for the wrong reason.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from copy import deepcopy
from difflib import get_close_matches
from typing import Any

from .errors import OverrideError
from .resources import CLASSES, Resource

__all__ = ["EXAMPLES", "example_event", "field_type", "overridable"]

API_VERSION = "2026-01-15"
_CREATED = 1709472000

_PAYMENT: dict[str, Any] = {
    "id": "pay_1NRv2H2eZvKYlo2CkMzPF4fS",
    "object": "payment",
    "amount": 15000,
    "amount_received": 15000,
    "currency": "aed",
    "status": "succeeded",
    "description": "Invoice #INV-2025-0042",
    "payment_method": "pm_card_visa",
    "customer": "cus_9s6XKzkNRiz8i3",
    "metadata": {"order_id": "order_1234", "product": "Premium Plan"},
    "receipt_email": "customer@example.com",
    "created": _CREATED,
    "livemode": True,
}
_CUSTOMER: dict[str, Any] = {
    "id": "cus_9s6XKzkNRiz8i3",
    "object": "customer",
    "email": "customer@example.com",
    "name": "Mariam Haddad",
    "phone": "+97145550142",
    "metadata": {},
    "created": _CREATED,
    "livemode": True,
}
_PAYOUT: dict[str, Any] = {
    "id": "po_3KbT6mX0cQeVnA8uLrYd2HsW",
    "object": "payout",
    "amount": 15000,
    "currency": "aed",
    "status": "paid",
    "failure_reason": None,
    "created": _CREATED,
    "livemode": True,
}
_DISPUTE: dict[str, Any] = {
    "id": "dp_5ZqJ1wRk7PfGtN4yEoCb9MxU",
    "object": "dispute",
    "payment": _PAYMENT["id"],
    "amount": 15000,
    "currency": "aed",
    "reason": "fraudulent",
    "status": "open",
    "outcome": None,
    "created": _CREATED,
    "livemode": True,
}

EXAMPLES: Mapping[str, dict[str, Any]] = {
    "payment.created": {**_PAYMENT, "amount_received": 0, "status": "requires_confirmation"},
    "payment.completed": _PAYMENT,
    "payment.failed": {
        **_PAYMENT,
        "amount_received": 0,
        "status": "failed",
        "failure_reason": "card_declined",
    },
    "payment.refunded": {**_PAYMENT, "amount_refunded": 15000},
    "customer.created": _CUSTOMER,
    "customer.updated": {**_CUSTOMER, "phone": "+97145550199"},
    "payout.completed": _PAYOUT,
    "payout.failed": {**_PAYOUT, "status": "failed", "failure_reason": "account_closed"},
    "dispute.created": _DISPUTE,
    "dispute.resolved": {**_DISPUTE, "status": "closed", "outcome": "won"},
}
"""The ``data`` of an example, by the event's type."""

_ENVELOPE: dict[str, Any] = {"id": str, "created": int, "api_version": str}


def example_event(
    event_type: str, overrides: Mapping[str, Any], *, event_id: str
) -> dict[str, Any]:
    """Return an event as PaySafer would send it.

    :param event_type: One of the documented types.
    :param overrides: Values by path: ``data.amount``, ``data.metadata.order_id``, ``created``.
        What was received and refunded follows the amount, unless it is given too.
    :raises OverrideError: for an unknown type, path, or a value of the wrong type.
    """
    paths = overridable(event_type)
    event: dict[str, Any] = {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "api_version": API_VERSION,
        "created": _CREATED,
        "data": deepcopy(EXAMPLES[event_type]),
    }
    for path, value in overrides.items():
        _check(path, value, paths)
        *parents, name = path.split(".", 2)
        place = event
        for parent in parents:
            place = place[parent]
        place[name] = value
    _let_sums_follow(event["data"], overrides)
    return event


def _let_sums_follow(data: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Let the sums of an overridden amount be the whole of it, as they are in the example."""
    for name in ("amount_received", "amount_refunded"):
        if "data.amount" in overrides and f"data.{name}" not in overrides and data.get(name):
            data[name] = data["amount"]


def overridable(event_type: str) -> dict[str, Any]:
    """Return the paths that can be overridden in events of this type, with their types.

    :raises OverrideError: for a type that isn't documented.
    """
    if event_type not in EXAMPLES:
        raise OverrideError(
            f"There is no event type {event_type!r}.{_meant(event_type, EXAMPLES)} "
            f"The types are: {', '.join(EXAMPLES)}."
        )
    hints = typing.get_type_hints(CLASSES[event_type.partition(".")[0]])
    fields = {"id": str, **hints}
    return {**_ENVELOPE, **{f"data.{name}": hint for name, hint in fields.items()}}


def field_type(path: str, paths: Mapping[str, Any]) -> Any:
    """Return the type that ``path`` takes: one of ``paths``, or a text inside ``data.metadata``.

    :raises OverrideError: if there is no such path; the message lists what there is.
    """
    if path in paths:
        return paths[path]
    if path.startswith("data.metadata.") and "data.metadata" in paths:
        return str
    listed = ", ".join([*paths, *(["data.metadata.…"] if "data.metadata" in paths else [])])
    raise OverrideError(
        f"There is no {path!r} to override.{_meant(path, paths)} What exists: {listed}."
    )


def _meant(name: str, known: Mapping[str, Any]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def _check(path: str, value: Any, paths: Mapping[str, Any]) -> None:
    hint = field_type(path, paths)
    allowed = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if not any(_fits(value, kind) for kind in allowed):
        names = " or ".join(_NAMES[kind] for kind in allowed)
        raise OverrideError(f"{path} must be {names}, not {type(value).__name__}.")
    if path == "data.metadata" and not all(isinstance(text, str) for text in value.values()):
        raise OverrideError("data.metadata holds texts only, as PaySafer's does: use str(…).")


_NAMES = {
    int: "a whole number",
    str: "text",
    bool: "true or false",
    Resource: "an object",
    type(None): "null",
}


def _fits(value: Any, kind: type) -> bool:
    return isinstance(value, dict) if kind is Resource else type(value) is kind
