"""Payments and events between PaySafer's words and ours, as the account's profile has them.

Merchants see ours: ``payment.status`` and ``event.type`` are what the docs say they are,
whatever the account calls them. What came is kept: ``payment["status"]``, and the event's
bytes. In the other direction the sandbox, the pytest kit, ``trigger`` and ``exam`` make
what such an account would send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .profile import ApiProfile, at

__all__ = [
    "event_around",
    "event_in_our_words",
    "event_in_their_words",
    "payment_in_our_words",
    "payment_in_their_words",
    "put",
]

_USUAL = ApiProfile().fields
_MOVABLE = ("challenge_url", "failure_reason", "amount_refunded", "card_details")


def payment_in_our_words(profile: ApiProfile, payment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes of a payment that are not as the answer has them."""
    ours: dict[str, Any] = {}
    raw = payment.get("status")
    status = profile.status_of(raw)
    if status != raw:
        ours["status"] = status
    for name in _MOVABLE:
        place, usual = getattr(profile.fields, name), getattr(_USUAL, name)
        if place != usual:
            attribute, *rest = usual.split(".")
            found = at(payment, place)
            ours[attribute] = None if found is None else _nested(rest, found)
    if ours.get("next_action"):
        ours["next_action"]["type"] = "redirect_to_url"
    return ours


def payment_in_their_words(profile: ApiProfile, payment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the payment, which is in our words, as this account has it.

    A place that the profile moves is empty at its usual place.
    """
    theirs = _copied(payment)
    if "status" in theirs:
        theirs["status"] = profile.raw_status(theirs["status"])
    moves = [
        (getattr(_USUAL, name), getattr(profile.fields, name))
        for name in _MOVABLE
        if getattr(_USUAL, name) != getattr(profile.fields, name)
    ]
    found = [(place, at(theirs, usual)) for usual, place in moves]
    for usual, _ in moves:
        # The whole of next_action says nothing but where the bank's page is.
        theirs.pop(usual.partition(".")[0], None)
    for place, value in found:
        if value is not None:
            put(theirs, place, value)
    return theirs


def event_in_our_words(profile: ApiProfile, fields: dict[str, Any]) -> dict[str, Any]:
    """Return an event with our word for its type, and its object under ``data``."""
    kind = fields.get("type")
    ours = {**fields, "data": at(fields, profile.webhooks.data)}
    if isinstance(kind, str):
        ours["type"] = profile.event_type_of(kind)
    return ours


def event_in_their_words(profile: ApiProfile, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event, which is in our words, as this account sends it."""
    data = event.get("data")
    if isinstance(data, Mapping) and str(event.get("type")).startswith("payment."):
        data = payment_in_their_words(profile, data)
    return event_around(profile, {**event, "data": data})


def event_around(profile: ApiProfile, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event as this account sends it; its object under ``data`` is theirs already."""
    theirs = {key: value for key, value in event.items() if key != "data"}
    if isinstance(kind := theirs.get("type"), str):
        theirs["type"] = profile.raw_event_type(kind)
    put(theirs, profile.webhooks.data, event.get("data"))
    return theirs


def put(mapping: dict[str, Any], place: str, value: Any) -> None:
    """Put ``value`` at a place such as ``"links.next"``, and make what leads there."""
    *names, last = place.split(".")
    for name in names:
        inner = mapping.get(name)
        if not isinstance(inner, dict):
            inner = mapping[name] = {}
        mapping = inner
    mapping[last] = value


def _nested(names: list[str], value: Any) -> Any:
    for name in reversed(names):
        value = {name: value}
    return value


def _copied(mapping: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _copied(value) if isinstance(value, Mapping) else value
        for key, value in mapping.items()
    }
