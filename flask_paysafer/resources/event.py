"""Events: what happened, as PaySafer's webhooks tell it.

Reading one is strict. Its signature says that PaySafer wrote these bytes, not
that they are an event, nor that another reader would see in them what this one
sees; so what is ambiguous (a key given twice, NaN) is refused, not guessed at.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NoReturn

from ..errors import InvalidPayloadError
from ..idempotency import idempotency_key
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

MAX_DEPTH = 100
"""How deep an event may be nested. PaySafer's own are four deep; Python's limit is near 1,000."""
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
        fields = _decode(payload)
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


def _decode(payload: bytes) -> Any:
    try:
        text = str(payload, "utf-8")
        fields = _DECODER.decode(text)
        if "\\u" in text:
            _refuse_lone_surrogates(fields)
    except UnicodeError:
        raise InvalidPayloadError("The payload is not UTF-8 text.") from None
    except RecursionError:
        raise InvalidPayloadError("The payload is nested too deep.") from None
    except ValueError as error:
        # Not str(error) of JSON's own: harmless today, but it is free to quote the document.
        reason = str(error) if isinstance(error, _AmbiguousError) else "it is not JSON"
        raise InvalidPayloadError(f"The payload can't be read: {reason}.") from None
    if payload.count(b"[") + payload.count(b"{") > MAX_DEPTH and _depth(fields) > MAX_DEPTH:
        raise InvalidPayloadError("The payload is nested too deep.")
    return fields


class _AmbiguousError(ValueError):
    """Readers of JSON differ about it."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _AmbiguousError("it gives a key twice")
    return fields


def _refuse_constant(_: str) -> NoReturn:
    raise _AmbiguousError("it holds NaN or Infinity, which are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _AmbiguousError("it holds a number beyond all bounds")
    return number


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)


def _refuse_lone_surrogates(fields: Any) -> None:
    # "\ud800" alone is legal JSON, but no text: no database or file could store it.
    json.dumps(fields, ensure_ascii=False).encode()


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth


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
