"""Everything that is assumed of PaySafer's API, in one object that can be changed.

PaySafer's pages leave much open: how a list ends, what a payment's statuses are called,
how a delivery is signed. :class:`ApiProfile` holds what this package takes them to be; a
merchant whose account differs gives ``PAYSAFER_API_PROFILE`` the keys that do, and
``flask paysafer probe`` finds them. No other file knows a path, a header's name, a
status or an envelope of PaySafer's.

Rules of this file: no Flask, no network, no clock. Whatever is wrong with a profile is
found when it is made, and the error names ``section.key`` and what is allowed.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property, partial
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeVar

from .errors import ConfigurationError

__all__ = ["EVENT_TYPES", "SCHEMES", "STATUSES", "ApiProfile", "Key", "at"]

STATUSES = (
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "succeeded",
    "canceled",
    "failed",
)
"""The statuses of a payment, in our words."""

EVENT_TYPES = (
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
"""The event types that PaySafer documents: our words for them."""

SCHEMES = ("timestamped", "body", "body-base64", "standard-webhooks")
"""The signature schemes that ``webhooks.scheme`` can name."""

RETRY_SPAN = 35 * 3600
"""Seconds that cover PaySafer's retry schedule: 1 min, 5 min, 30 min, 2 h, 8 h, 24 h."""

_MAX_FILE_BYTES = 262_144
_STANDARD_HEADERS = {
    "id_header": "webhook-id",
    "timestamp_header": "webhook-timestamp",
    "signature": "webhook-signature",
}
_OWN_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "transfer-encoding",
        "user-agent",
    }
)
_PATH = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_PLACE = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_PARAMETER = re.compile(r"[A-Za-z0-9_-]+([.\[][A-Za-z0-9_-]+\]?)*")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_WORD = re.compile(r"[!-~]{1,255}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")

Check = Callable[[Any], Any]
T = TypeVar("T")


class _Wrong(Exception):  # noqa: N818 (never leaves this file)
    """What is allowed, for the end of the message: "must be …"."""


class Key(NamedTuple):
    """One thing that is assumed, for pages and reports about them."""

    section: str
    name: str
    default: Any
    meaning: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"


def at(mapping: Any, place: str) -> Any:
    """Return what is at a place such as ``"next_action.redirect_to_url.url"``.

    ``""`` is ``mapping`` itself. None where there is nothing, or something that has no keys.
    """
    found = mapping
    for name in place.split(".") if place else ():
        if not isinstance(found, Mapping):
            return None
        found = found.get(name)
    return found


def _key(default: T, check: Check, meaning: str) -> T:
    found: T = field(default=default, metadata={"check": check, "meaning": meaning})
    return found


def _matching(pattern: re.Pattern[str], allowed: str, *, or_none: bool = False) -> Check:
    def check(value: object) -> object:
        if or_none and value == "":
            return value
        if not isinstance(value, str) or len(value) > 255 or pattern.fullmatch(value) is None:
            raise _Wrong(allowed + (', or "" for none' if or_none else ""))
        return value

    return check


def _confirm_path(value: object) -> object:
    if not isinstance(value, str) or value.count("{id}") != 1:
        raise _Wrong("a path with {id} in it once, such as /payments/{id}/confirm")
    _path(value.replace("{id}", "id"))
    return value


def _one_of(*allowed: str) -> Check:
    def check(value: object) -> object:
        if not isinstance(value, str) or value not in allowed:
            raise _Wrong(_listed(allowed))
        return value

    return check


def _header_check(*, or_none: bool = False) -> Check:
    match = _matching(_HEADER, "a header's name, such as X-Request-Id", or_none=or_none)

    def check(value: object) -> object:
        if isinstance(value, str) and value.lower() in _OWN_HEADERS:
            raise _Wrong("a header of PaySafer's, not one that HTTP or the API key needs")
        return match(value)

    return check


def _header_list(value: object) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or not value:
        raise _Wrong('a list of headers\' names, such as ["X-Request-Id"]')
    return tuple(map(_header, value))


def _hours(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 8760:
        raise _Wrong("a whole number of hours, 1 to 8760")
    return value


def _flag(value: object) -> object:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


_path = _matching(
    _PATH,
    "a path below the API's address, such as /payments: it begins with /, and holds no host, "
    '"..", query or slash at its end',
)
_place = _matching(_PLACE, "a key, or several with dots between them, such as meta.next")
_place_or_none = _matching(_PLACE, "a key, or several with dots between them", or_none=True)
_parameter = _matching(_PARAMETER, "a parameter's name, such as limit or created[gte]")
_parameter_or_none = _matching(_PARAMETER, "a parameter's name", or_none=True)
_header = _header_check()
_header_or_none = _header_check(or_none=True)


class _Section:
    """A table of the profile: frozen, each key checked when it is made."""

    NAME: ClassVar[str]

    def __post_init__(self) -> None:
        for key in fields(self):  # type: ignore[arg-type]  # every section is a dataclass
            try:
                checked = key.metadata["check"](getattr(self, key.name))
            except _Wrong as wrong:
                raise ConfigurationError(f"{self.NAME}.{key.name} must be {wrong}.") from None
            object.__setattr__(self, key.name, checked)


@dataclass(frozen=True, kw_only=True)
class Paths(_Section):
    """Where the resources are, relative to the base address."""

    NAME = "paths"

    payments: str = _key("/payments", _path, "Payments; capture, cancel and refund are below it.")
    customers: str = _key("/customers", _path, "Customers.")
    webhook_endpoints: str = _key("/webhook-endpoints", _path, "Webhook endpoints.")
    tokens: str = _key("/tokens", _path, "Where a card becomes a token, with the publishable key.")
    confirm: str = _key(
        "/payments/{id}/confirm", _confirm_path, "Where a payment that waits is confirmed."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        taken = {self.payments: "payments"}
        for key in ("customers", "webhook_endpoints", "tokens"):
            other = taken.setdefault(getattr(self, key), key)
            if other != key:
                raise ConfigurationError(f"paths.{key} must be another path than paths.{other}.")


@dataclass(frozen=True, kw_only=True)
class Lists(_Section):
    """How a list is asked for, and how its end is known."""

    NAME = "lists"

    items: str = _key(
        "data", _place_or_none, 'Where the objects are; "" if the answer itself is the array.'
    )
    has_more: str = _key(
        "has_more", _place_or_none, "Where a boolean says whether there are more pages."
    )
    next: str = _key(
        "", _place_or_none, "Where the next page's cursor or address is, such as links.next."
    )
    limit: str = _key("limit", _parameter, "The parameter with the size of a page.")
    after: str = _key("starting_after", _parameter, "The parameter that takes the cursor.")
    before: str = _key("ending_before", _parameter, "The same, towards newer objects.")
    created_after: str = _key(
        "created[gte]", _parameter, "The parameter that leaves out what is older (unix seconds)."
    )

    def items_of(self, answer: Any) -> list[Any] | None:
        """Return the objects of a page, or None if they are not where they should be."""
        found = at(answer, self.items)
        return found if isinstance(found, list) else None

    def cursor_of(self, answer: Any) -> str | None:
        """Return what leads to the next page, a cursor or an address; None where nothing does.

        Always None without ``lists.next``: the last object's id is the cursor then.
        """
        found = at(answer, self.next) if self.next else None
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found)
        return found if isinstance(found, str) and found else None

    def is_last(self, answer: Any, *, asked: int) -> bool:
        """Tell whether there is no page after this one.

        :param asked: How many objects the page could have had.
        """
        items = self.items_of(answer)
        if not items:
            return True
        more = at(answer, self.has_more) if self.has_more else None
        if self.next:
            return more is False or self.cursor_of(answer) is None
        return not more if isinstance(more, bool) else len(items) < asked


@dataclass(frozen=True, kw_only=True)
class Fields(_Section):
    """Where PaySafer keeps what this package reads, and what it calls what we send."""

    NAME = "fields"

    challenge_url: str = _key(
        "next_action.redirect_to_url.url", _place, "Where the bank asks the cardholder."
    )
    failure_reason: str = _key("failure_reason", _place, "Why a payment failed.")
    amount_refunded: str = _key("amount_refunded", _place, "What was given back, in minor units.")
    save_payment_method: str = _key(
        "save_payment_method", _parameter_or_none, "The parameter at create that keeps the card."
    )
    off_session: str = _key(
        "off_session",
        _parameter_or_none,
        "The parameter at create that says that the customer is not there.",
    )
    card_details: str = _key(
        "payment_method_details.card", _place, "The brand, last four digits and expiry of a card."
    )


@dataclass(frozen=True, kw_only=True)
class Headers(_Section):
    """The names of the headers, which are compared in any case."""

    NAME = "headers"

    idempotency_key: str = _key(
        "Idempotency-Key", _header, "Carries the idempotency key of a write."
    )
    replayed: str = _key(
        "Idempotent-Replayed", _header_or_none, "Says that an answer is the first one again."
    )
    version: str = _key(
        "PaySafer-Version", _header, "Carries PAYSAFER_API_VERSION, where that is set."
    )
    request_id: tuple[str, ...] = _key(
        ("X-Request-Id", "Request-Id"),
        _header_list,
        "Names the request for PaySafer's support; the first that is there counts.",
    )
    signature: str = _key(
        "PaySafer-Signature",
        _header,
        "Carries the signature of a delivery; webhook-signature under standard-webhooks.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.idempotency_key.lower() == self.version.lower():
            raise ConfigurationError(
                "headers.version must be another header than headers.idempotency_key."
            )


@dataclass(frozen=True, kw_only=True)
class Idempotency(_Section):
    """What PaySafer does with a key that it knows."""

    NAME = "idempotency"

    key_hours: int = _key(24, _hours, "How long a key is remembered.")
    reuse: str = _key(
        "replay",
        _one_of("replay", "conflict"),
        'What a key sent again gets: "replay" is the first answer, "conflict" a 409.',
    )


@dataclass(frozen=True, kw_only=True)
class RateLimits(_Section):
    """How ``X-RateLimit-Reset`` is meant."""

    NAME = "rate_limits"

    reset: str = _key(
        "auto",
        _one_of("auto", "epoch", "seconds"),
        'Unix time ("epoch"), "seconds" from now, or by its size ("auto").',
    )


@dataclass(frozen=True, kw_only=True)
class Webhooks(_Section):
    """How deliveries are signed, and where an event keeps its object."""

    NAME = "webhooks"

    scheme: str = _key("timestamped", _one_of(*SCHEMES), "How a delivery is signed.")
    id_header: str = _key(
        "", _header_or_none, "Carries the event's id; webhook-id under standard-webhooks."
    )
    timestamp_header: str = _key(
        "", _header_or_none, "Carries the time; webhook-timestamp under standard-webhooks."
    )
    data: str = _key("data", _place, 'Where an event has its object, such as "data.object".')
    resigned_on_retry: bool = _key(
        True, _flag, "Whether a retried delivery carries a signature of its own time."
    )

    def __post_init__(self) -> None:
        if self.scheme == "standard-webhooks":
            for key in ("id_header", "timestamp_header"):
                if getattr(self, key) == "":
                    object.__setattr__(self, key, _STANDARD_HEADERS[key])
        super().__post_init__()


_SECTIONS: dict[str, type[_Section]] = {
    cls.NAME: cls for cls in (Paths, Lists, Fields, Headers, Idempotency, RateLimits, Webhooks)
}
_WORDS = {"statuses": STATUSES, "events": EVENT_TYPES}
_ORDER = (
    "paths",
    "lists",
    "statuses",
    "events",
    "fields",
    "headers",
    "idempotency",
    "rate_limits",
    "webhooks",
)


@dataclass(frozen=True, kw_only=True)
class ApiProfile:
    """What PaySafer's API looks like: ``ApiProfile()`` is what this package assumes.

    Make another with :meth:`load` or :meth:`from_mapping`, which take only the keys that
    differ. It is frozen, equal to another of the same content, and pickles.
    """

    paths: Paths = field(default_factory=Paths)
    lists: Lists = field(default_factory=Lists)
    statuses: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Their status of a payment → ours."""
    events: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Their event type → ours."""
    fields: Fields = field(default_factory=Fields)
    headers: Headers = field(default_factory=Headers)
    idempotency: Idempotency = field(default_factory=Idempotency)
    rate_limits: RateLimits = field(default_factory=RateLimits)
    webhooks: Webhooks = field(default_factory=Webhooks)

    def __post_init__(self) -> None:
        for section, ours in _WORDS.items():
            words = _check_words(section, getattr(self, section))
            # The file's own words first: what is emitted for a word of ours is the first one.
            merged = words | {word: word for word in ours if word not in words}
            object.__setattr__(self, section, MappingProxyType(merged))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> ApiProfile:
        """Return the profile in a TOML file.

        :raises ConfigurationError: if the file can't be read, is not TOML (with line and
            column), or holds a section, key or value that is not allowed.
        """
        try:
            content = _read(Path(path))
            return cls.from_mapping(tomllib.loads(content))
        except tomllib.TOMLDecodeError as error:
            reason = f"it is not TOML: {_with_position(str(error), content)}"
        except RecursionError:
            reason = "it is not TOML that can be read: it is nested too deeply."
        except ConfigurationError as error:
            reason = error.message
        raise ConfigurationError(f"The API profile {str(path)!r} can't be used: {reason}")

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> ApiProfile:
        """Return the profile that differs from the defaults in what ``mapping`` holds.

        :param mapping: Of sections, each a mapping of keys, as in the TOML file.
        :raises ConfigurationError: for a section, key or value that is not allowed.
        """
        given = _table("The API profile", mapping)
        made: dict[str, Any] = {}
        for name, table in given.items():
            if name not in _ORDER:
                raise ConfigurationError(_unknown("section", name, name, _ORDER))
            entries = dict(_table(f"[{name}]", table))
            made[name] = entries if name in _WORDS else _make_section(name, entries)
        webhooks = made.get("webhooks")
        signature = _table("[headers]", given.get("headers", {})).get("signature")
        if webhooks and webhooks.scheme == "standard-webhooks" and signature is None:
            headers = made.get("headers", Headers())
            made["headers"] = replace(headers, signature=_STANDARD_HEADERS["signature"])
        return cls(**made)

    @classmethod
    def of(cls, value: object, *, root: str | PathLike[str] = ".") -> ApiProfile:
        """Return the profile that a setting gives: a profile, a mapping, or a file's path.

        :param root: Where a relative path begins.
        :raises ConfigurationError: if it is none of them, or can't be used.
        """
        if isinstance(value, ApiProfile):
            return value
        if isinstance(value, Mapping):
            return cls.from_mapping(value)
        if isinstance(value, (str, PathLike)) and str(value).strip():
            return cls.load(Path(root) / value)
        raise ConfigurationError(
            "The API profile must be the path of a TOML file, a mapping of its sections, or an "
            "ApiProfile."
        )

    def to_mapping(self) -> dict[str, dict[str, Any]]:
        """Return what differs from the defaults, as :meth:`from_mapping` takes it."""
        usual = ApiProfile.from_mapping({"webhooks": {"scheme": self.webhooks.scheme}})
        found: dict[str, dict[str, Any]] = {}
        for name in _ORDER:
            mine = getattr(self, name)
            words = name in _WORDS
            table = _own_words(mine) if words else _differences(mine, getattr(usual, name))
            if table:
                found[name] = table
        if self.webhooks.scheme != Webhooks().scheme:
            found["webhooks"] = {"scheme": self.webhooks.scheme} | found.get("webhooks", {})
        return found

    def to_toml(self) -> str:
        """Return what differs from the defaults, as the text of a file for :meth:`load`."""
        tables = []
        for name, table in self.to_mapping().items():
            lines = [f"{_toml_key(key)} = {_toml_value(value)}" for key, value in table.items()]
            tables.append("\n".join([f"[{name}]", *lines]) + "\n")
        return "\n".join(tables)

    def with_scheme(self, scheme: str) -> ApiProfile:
        """Return the same profile with another of the known signature schemes.

        The headers that come with a scheme come too, unless the profile names its own.
        """
        if scheme == self.webhooks.scheme:
            return self
        mapping = self.to_mapping()
        mapping["webhooks"] = {**mapping.get("webhooks", {}), "scheme": scheme}
        return ApiProfile.from_mapping(mapping)

    def status_of(self, raw: object) -> Any:
        """Return our word for a payment's status; one that is not known is kept as it is."""
        return self.statuses.get(raw, raw) if isinstance(raw, str) else raw

    def event_type_of(self, raw: str) -> str:
        """Return our word for an event's type; one that is not known is kept as it is."""
        return self.events.get(raw, raw)

    def raw_status(self, ours: str) -> str:
        """Return the word that this PaySafer has for a status of ours."""
        return _first(self.statuses, ours)

    def raw_event_type(self, ours: str) -> str:
        """Return the word that this PaySafer has for an event type of ours."""
        return _first(self.events, ours)

    @cached_property
    def translates(self) -> bool:
        """Whether any word or field of an answer has to be put into ours."""
        usual = ApiProfile()
        return (
            dict(self.statuses) != dict(usual.statuses)
            or dict(self.events) != dict(usual.events)
            or self.fields != usual.fields
            or self.webhooks.data != usual.webhooks.data
        )

    def payment_path(self, payment_id: str = "", action: str = "") -> str:
        """Return the path of all payments, of one, or of what is done with one.

        :param payment_id: Quoted already.
        :param action: ``capture``, ``cancel``, ``refund`` or ``confirm``.
        """
        if action == "confirm":
            return self.paths.confirm.replace("{id}", payment_id)
        return "/".join(filter(None, (self.paths.payments, payment_id, action)))

    @property
    def key_life(self) -> float:
        """Seconds for which a key is relied on: an hour less than PaySafer keeps it."""
        return max(0.0, (self.idempotency.key_hours - 1) * 3600.0)

    def covering(self, tolerance: float) -> float:
        """Return the tolerance, in seconds, that lets every retry of a delivery through."""
        return tolerance if self.webhooks.resigned_on_retry else max(tolerance, RETRY_SPAN)

    def __reduce__(self) -> tuple[Any, ...]:
        return ApiProfile.from_mapping, (self.to_mapping(),)

    @staticmethod
    def keys() -> Iterator[Key]:
        """Yield everything that is assumed, in the order of the file."""
        for name in _ORDER:
            if name in _WORDS:
                kind = "status of a payment" if name == "statuses" else "type of an event"
                for word in _WORDS[name]:
                    yield Key(name, word, word, f"A {kind}.")
                continue
            for key in fields(_SECTIONS[name]):  # type: ignore[arg-type]  # they are dataclasses
                yield Key(name, key.name, key.default, key.metadata["meaning"])


def _first(words: Mapping[str, str], ours: str) -> str:
    return next((theirs for theirs, meaning in words.items() if meaning == ours), ours)


def _own_words(words: Mapping[str, str]) -> dict[str, str]:
    """Return what a file has to hold: also our own word, where it comes before another."""
    shared = {ours for theirs, ours in words.items() if theirs != ours}
    return {
        theirs: ours
        for theirs, ours in words.items()
        if theirs != ours or (ours in shared and _first(words, ours) == ours)
    }


def _make_section(name: str, entries: dict[str, Any]) -> _Section:
    cls = _SECTIONS[name]
    known = [key.name for key in fields(cls)]  # type: ignore[arg-type]  # every one is a dataclass
    for key in entries:
        if key not in known:
            raise ConfigurationError(_unknown("key", f"{name}.{key}", key, known))
    return cls(**entries)


def _table(what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{what} must be a table of keys and values.")
    return value


def _check_words(section: str, words: Mapping[str, Any]) -> dict[str, str]:
    for theirs, ours in words.items():
        if _WORD.fullmatch(theirs) is None:
            raise ConfigurationError(
                f"{section}.{_shown(theirs)} must be a word of 1 to 255 printable ASCII "
                "characters without spaces."
            )
        if not isinstance(ours, str) or ours not in _WORDS[section]:
            raise ConfigurationError(
                f"{section}.{_shown(theirs)} must be one of ours: {_listed(_WORDS[section])}."
            )
    return dict(words)


def _unknown(what: str, full: str, name: str, known: tuple[str, ...] | list[str]) -> str:
    close = get_close_matches(name, known, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return f"{_shown(full)} is no {what} of the API profile.{hint} Known are {', '.join(known)}."


def _shown(name: str) -> str:
    text = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _listed(words: tuple[str, ...]) -> str:
    *most, last = (f'"{word}"' for word in words)
    return f"{', '.join(most)} or {last}"


def _differences(mine: _Section, usual: _Section) -> dict[str, Any]:
    found = {}
    for key in fields(mine):  # type: ignore[arg-type]  # every section is a dataclass
        value = getattr(mine, key.name)
        if value != getattr(usual, key.name):
            found[key.name] = list(value) if isinstance(value, tuple) else value
    return found


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it has no path that can be opened"
        raise ConfigurationError(f"{reason}.") from None
    if len(content) > _MAX_FILE_BYTES:
        raise ConfigurationError(f"it is larger than {_MAX_FILE_BYTES} bytes.")
    try:
        # Some editors begin a file with a byte order mark, which is no TOML.
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        raise ConfigurationError(
            f"it is not UTF-8 text ({_position(before)}). Save it as UTF-8."
        ) from None


def _with_position(message: str, content: str) -> str:
    """Return the parser's message; at the end of the file it gives no line and column."""
    end = "(at end of document)"
    return f"{message.replace(end, f'({_position(content)}, the end)')}."


def _position(before: str) -> str:
    line = before.count("\n") + 1
    return f"at line {line}, column {len(before) - before.rfind(chr(10))}"


def _toml_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml_value(key)


_toml_value = partial(json.dumps, ensure_ascii=False)  # no control characters get this far
