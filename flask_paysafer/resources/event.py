"""Events: what happened, as PaySafer's webhooks tell it.

Reading one is strict. Its signature says that PaySafer wrote these bytes, not
that they are an event, nor that another reader would see in them what this one
sees; so what is ambiguous (a key given twice, NaN) is refused, not guessed at.
"""

from __future__ import annotations

import re
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

_NAME = re.compile(r"[!-~]{1,255}")
_TEXT_OR_NOTHING = (str, type(None))
_FLAG_OR_NOTHING = (bool, type(None))
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
    if type(fields) is not dict:
        raise InvalidPayloadError("The payload is no JSON object.")
    if fields.get("object", "event") != "event":
        raise InvalidPayloadError('The payload\'s "object" is not "event".')
    if not _is_name(fields.get("id")):
        raise InvalidPayloadError('The event\'s "id" is not a name of printable ASCII.')
    if not _is_name(fields.get("type")):
        raise InvalidPayloadError('The event\'s "type" is not a name of printable ASCII.')
    created = fields.get("created")
    if type(created) is not int or not 0 <= created <= _LAST_SECOND:
        raise InvalidPayloadError('The event\'s "created" is not a time in unix seconds.')
    if type(fields.get("api_version")) not in _TEXT_OR_NOTHING:
        raise InvalidPayloadError('The event\'s "api_version" is not text.')
    data = fields.get("data")
    if type(data) is not dict:
        raise InvalidPayloadError('The event\'s "data" is not an object.')
    if type(data.get("livemode")) not in _FLAG_OR_NOTHING:
        raise InvalidPayloadError('The event\'s "data.livemode" is neither true nor false.')


def _is_name(value: Any) -> bool:
    return type(value) is str and _NAME.fullmatch(value) is not None
