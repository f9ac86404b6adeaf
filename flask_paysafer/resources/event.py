"""Events: what happened, as PaySafer's webhooks tell it.

Reading one is strict. Its signature says that PaySafer wrote these bytes, not
that they are an event, nor that another reader would see in them what this one
sees; so what is ambiguous (a key given twice, NaN) is refused, not guessed at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import InvalidPayloadError
from ..idempotency import idempotency_key
from . import strict_json
from .base import Resource
from .registry import parse

__all__ = ["EVENT_TYPES", "Event"]

EVENT_TYPES: tuple[str, ...] = (
    "payment.created",
    "payment.completed",
    "payment.failed",
    "payment.refunded",
    "customer.created",
    "customer.updated",
    "payout.completed",
    "payout.failed",
    "dispute.created",
    "dispute.resolved",
)
"""The event types that PaySafer documents."""

_MAX_TEXT = 255
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last one that datetime knows


class Event(Resource):
    """Something that happened at PaySafer. ``data`` is the object as it was then."""

    __slots__ = ("_retrieve",)

    type: str
    """Such as ``payment.completed``; may be one that this version doesn't know."""
    created: int
    """When it happened, in unix seconds."""
    data: Any
    """The object as it was when the event was made: a payment, customer, payout …"""
    api_version: str | None
    """The version of the API that ``data`` is written in."""

    @classmethod
    def from_json(cls, payload: bytes) -> Event:
        """Return the event that ``payload`` holds, which must be authentic already.

        :raises InvalidPayloadError: if it is no event, or can be read in two ways.
        """
        fields = strict_json.read(payload)
        _check(fields)
        kind = fields["type"].partition(".")[0]
        fields["data"] = parse(fields["data"], kind=kind)
        return cls(fields)

    @property
    def livemode(self) -> bool | None:
        """Whether it is about real money; None if PaySafer doesn't say."""
        livemode: bool | None = self["data"].get("livemode")
        return livemode

    def idempotency_key(self, *parts: str | int) -> str:
        """Return the key for a call that this event causes: the same in every delivery.

        ``event.idempotency_key("refund")`` makes a refund in a handler happen once,
        though the handler may run twice.
        """
        return idempotency_key(self["id"], *parts)

    def bind(self, retrieve: Callable[[Event], Resource]) -> None:
        """Let :meth:`refresh` get the object through ``retrieve``."""
        self._retrieve = retrieve

    def refresh(self) -> Resource:
        """Return the object as it is at PaySafer now, for events can come late or out of order.

        :raises RuntimeError: outside of handlers, where no API client is at hand.
        """
        retrieve: Callable[[Event], Resource] | None = getattr(self, "_retrieve", None)
        if retrieve is None:
            raise RuntimeError(
                "refresh() works on the event that a handler gets. Elsewhere, use the client: "
                "paysafer.client.payments.retrieve(event.data.id)."
            )
        return retrieve(self)


def _check(fields: Any) -> None:
    if not isinstance(fields, dict):
        raise InvalidPayloadError("The payload is no JSON object.")
    if fields.get("object", "event") != "event":
        raise InvalidPayloadError('The payload\'s "object" is not "event".')
    _check_text(fields, "id")
    _check_text(fields, "type")
    created = fields.get("created")
    if type(created) is not int or not 0 <= created <= _LAST_SECOND:
        raise InvalidPayloadError('The event\'s "created" is not a time in unix seconds.')
    if not isinstance(fields.get("data"), dict):
        raise InvalidPayloadError('The event\'s "data" is not an object.')
    if not isinstance(fields.get("api_version"), (str, type(None))):
        raise InvalidPayloadError('The event\'s "api_version" is not text.')
    if not isinstance(fields["data"].get("livemode"), (bool, type(None))):
        raise InvalidPayloadError('The event\'s "data.livemode" is neither true nor false.')


def _check_text(fields: dict[str, Any], name: str) -> None:
    value = fields.get(name)
    if (
        not isinstance(value, str)
        or not 0 < len(value) <= _MAX_TEXT
        or not (value.isascii() and value.isprintable())
        or " " in value
    ):
        raise InvalidPayloadError(f'The event\'s "{name}" is not a name of printable ASCII.')
