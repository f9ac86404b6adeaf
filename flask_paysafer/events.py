"""Events: what happened at PaySafer, as its webhooks describe it.

Reading one is strict. Its signature says that PaySafer wrote these bytes, not that they
are an event, nor that another JSON reader would see in them what this one sees. So what
is ambiguous (a key given twice, NaN, a number beyond all bounds) is refused.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from typing import Any, NoReturn

from .errors import InvalidPayloadError
from .idempotency import idempotency_key
from .profile import EVENT_TYPES, ApiProfile
from .resources import Resource, parse
from .translation import event_in_our_words

__all__ = [
    "EVENT_TYPES",
    "LOCAL_EVENT_TYPES",
    "LOCAL_ID",
    "MAX_DEPTH",
    "Event",
    "is_local_type",
    "read_json",
]

LOCAL_EVENT_TYPES: tuple[str, ...] = (
    "checkout.authorised",
    "checkout.paid",
    "checkout.expired",
    "subscription.started",
    "subscription.renewed",
    "subscription.past_due",
    "subscription.action_required",
    "subscription.canceled",
)
"""The types of the events that this extension writes itself."""

LOCAL_ID = "local_"
"""How the ids of local events begin, which PaySafer's never do."""

_LOCAL_FAMILIES = ("checkout.", "subscription.")


def is_local_type(event_type: str) -> bool:
    """Whether events of this type are written here and never come from PaySafer."""
    return event_type.startswith(_LOCAL_FAMILIES)


_NAME = re.compile(r"[!-~]{1,255}")
_TEXT_OR_NOTHING = (str, type(None))
_FLAG_OR_NOTHING = (bool, type(None))
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last one that datetime knows


class Event(Resource):
    """Something that happened at PaySafer, or here. ``data`` is the object as it was then."""

    __slots__ = ("_account", "_local", "_payload", "_retrieve")

    type: str
    """Such as ``payment.completed``; may be one that this version doesn't know."""
    created: int
    """When it happened, in unix seconds."""
    data: Any
    """The object as it was when the event was made: a payment, customer, payout …"""
    api_version: str | None
    """The version of the API that ``data`` is written in."""

    _payload: bytes

    @classmethod
    def from_json(cls, payload: bytes, profile: ApiProfile | None = None) -> Event:
        """Return the event that ``payload`` holds, which must be authentic already.

        :param profile: Whose words it is in; the usual ones by default.
        :raises InvalidPayloadError: if it is no event, or can be read in two ways.
        """
        fields = read_json(payload)
        if profile is not None and profile.translates and type(fields) is dict:
            fields = event_in_our_words(profile, fields)
        _check(fields)
        kind = fields["type"].partition(".")[0]
        fields["data"] = parse(fields["data"], kind=kind, profile=profile)
        event = cls(fields)
        event._payload = payload
        return event

    @property
    def payload(self) -> bytes | None:
        """The bytes as they came, in PaySafer's own words; None for an event that was built."""
        payload: bytes | None = getattr(self, "_payload", None)
        return payload

    @property
    def livemode(self) -> bool | None:
        """Whether it is about real money; None if PaySafer doesn't say."""
        livemode: bool | None = self["data"].get("livemode")
        return livemode

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (dict(self), self.payload)

    def idempotency_key(self, *parts: str | int) -> str:
        """Return the key for a call that this event causes: the same in every delivery.

        ``event.idempotency_key("refund")`` makes a refund in a handler happen once,
        though the handler may run twice.
        """
        return idempotency_key(self["id"], *parts)

    @property
    def local(self) -> bool:
        """Whether this extension wrote the event itself, such as ``subscription.renewed``."""
        return getattr(self, "_local", False)

    @property
    def account(self) -> str | None:
        """The name of the extension that it belongs to, ``"paysafer"`` unless you chose another.

        None for an event that is not from an inbox, as :meth:`Webhook.verify` returns it.
        """
        return getattr(self, "_account", None)

    def set_origin(self, account: str, *, local: bool = False) -> None:
        """Note which account's inbox the event is from, and whether it was written there."""
        self._account = account
        self._local = local

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


def _restore(fields: dict[str, Any], payload: bytes | None) -> Event:
    event = Event(fields)
    if payload is not None:
        event._payload = payload
    return event


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


MAX_DEPTH = 100
"""How deep a body may be nested. PaySafer's own are four deep; Python's limit is near 1,000."""


def read_json(payload: bytes) -> Any:
    """Return what the JSON in ``payload`` says.

    :raises InvalidPayloadError: if it is no JSON, or can be read in two ways.
    """
    try:
        text = payload.decode()
        fields = _read_usual(text) if text[:1] == "{" else None
        if fields is None:
            fields = _read_closely(text)
        # The one character is looked for first: that is twenty times as fast.
        if "\\" in text and "\\u" in text:
            _refuse_lone_surrogates(fields)
    except UnicodeError:
        raise InvalidPayloadError("The payload is not UTF-8 text.") from None
    except RecursionError:
        raise InvalidPayloadError("The payload can't be read: it is nested too deep.") from None
    except ValueError as error:
        # Not str(error) of JSON's own: harmless today, but it is free to quote the document.
        reason = str(error) if isinstance(error, _AmbiguousError) else "it is not JSON"
        raise InvalidPayloadError(f"The payload can't be read: {reason}.") from None
    return fields


class _AmbiguousError(ValueError):
    """Readers of JSON differ about it."""


class _Objects(threading.local):
    """How many pairs each object holds that this thread has read."""

    sizes: list[int]


_objects = _Objects()


def _count(fields: dict[str, Any]) -> dict[str, Any]:
    _objects.sizes.append(len(fields))
    return fields


def _read_usual(text: str) -> Any:
    """Return what ``text`` says if it surely is not deep and gives no key twice; else None."""
    sizes: list[int] = []
    _objects.sizes = sizes
    fields, end = _QUICK.raw_decode(text)
    lists = text.count("[") if "[" in text else 0
    is_plain = end == len(text) and len(sizes) + lists <= MAX_DEPTH
    return fields if is_plain and _has_no_more_pairs(text, sum(sizes)) else None


def _read_closely(text: str) -> Any:
    fields = _STRICT.decode(text)
    if _depth(fields) > MAX_DEPTH:
        raise _AmbiguousError("it is nested too deep")
    return fields


def _has_no_more_pairs(text: str, pairs: int) -> bool:
    """Whether ``text`` can't write more than the ``pairs`` that its objects kept.

    Every pair has a colon of its own. Texts hold colons too, but the colon of a pair
    follows the key's quote at once, unless there are colons after white space.
    """
    if text.count(":") == pairs:
        return True
    return text.count('":') == pairs and not any(f"{space}:" in text for space in " \t\r\n")


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


_QUICK = json.JSONDecoder(object_hook=_count, parse_constant=_refuse_constant, parse_float=_finite)
_STRICT = json.JSONDecoder(
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
