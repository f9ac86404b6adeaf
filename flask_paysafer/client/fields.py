"""Checks of single arguments, before anything is sent.

A check gets the argument's name and value, returns what goes into the request,
and raises ``TypeError`` or ``ValueError``. No message quotes the value: it may
be a card number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from ..money import check_currency

__all__ = [
    "Check",
    "amount",
    "body_of",
    "card",
    "currency",
    "event_types",
    "flag",
    "headers",
    "http_method",
    "identifier",
    "integer",
    "metadata",
    "moments",
    "page_size",
    "path_segment",
    "relative_path",
    "seconds",
    "text",
    "url",
]

Check = Callable[[str, object], Any]

_MAX_ID = 255
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "te",
        "transfer-encoding",
    }
)
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_PATH = re.compile(r"(?:[A-Za-z0-9._~/!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_BOUNDS = ("gt", "gte", "lt", "lte")
_MAX_PAGE = 100


def body_of(
    params: Mapping[str, object], checks: Mapping[str, Check], *, required: Sequence[str] = ()
) -> dict[str, Any]:
    """Return the checked arguments, without those that are None.

    :raises TypeError: for an argument that is unknown or missing, like a call would.
    """
    unknown = [name for name in params if name not in checks]
    if unknown:
        raise TypeError(f"got an unexpected keyword argument {unknown[0]!r}")
    body = {name: checks[name](name, value) for name, value in params.items() if value is not None}
    missing = [name for name in required if name not in body]
    if missing:
        raise TypeError(f"missing required keyword argument {missing[0]!r}")
    return body


def amount(name: str, value: object) -> int:
    """A sum in minor units, above zero."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} must be whole minor units as int (15000 for AED 150.00), "
            f"not {type(value).__name__}."
        )
    if value < 1:
        raise ValueError(f"{name} must be at least 1 minor unit.")
    return value


def currency(_: str, value: object) -> str:
    """An ISO 4217 code, in lower case."""
    return check_currency(value)


def text(name: str, value: object) -> str:
    """Any text that can be written down."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half of a surrogate pair, which is no text.") from None
    return value


def flag(name: str, value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be bool, not {type(value).__name__}.")
    return value


def integer(name: str, value: object, *, at_least: int = 0) -> int:
    """A whole number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be int, not {type(value).__name__}.")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}.")
    return value


def page_size(name: str, value: object) -> int:
    """How many objects a page has."""
    size = integer(name, value, at_least=1)
    if size > _MAX_PAGE:
        raise ValueError(f"{name} must be at most {_MAX_PAGE}; iterate to get more.")
    return size


def seconds(name: str, value: object) -> float:
    """A span of time above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}.")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a number of seconds above 0.")
    return float(value)


def identifier(name: str, value: object) -> str:
    """The id of one of PaySafer's objects."""
    checked = text(name, value)
    if not checked.strip() or checked in {".", ".."}:
        raise ValueError(f"{name} is empty or dots, which would address another resource.")
    if len(checked) > _MAX_ID or not checked.isprintable() or set(checked) & set("/\\"):
        raise ValueError(
            f"{name} must be the id of one object, without slashes or control characters."
        )
    return checked


def path_segment(name: str, value: object) -> str:
    """An id, quoted so that it stays one segment of the path."""
    return quote(identifier(name, value), safe="")


def http_method(name: str, value: object) -> str:
    """A method of HTTP, in upper case."""
    method = text(name, value).upper()
    if method not in _METHODS:
        raise ValueError(f"{name} must be one of {', '.join(_METHODS)}.")
    return method


def relative_path(name: str, value: object) -> str:
    """A path below the base URL, with one slash in front; nothing may lead out of there."""
    path = text(name, value)
    segments = path.removeprefix("/").removesuffix("/").split("/")
    plain = [unquote(segment) for segment in segments]
    if not _PATH.fullmatch(path) or {"", ".", ".."} & set(plain) or "/" in "".join(plain):
        raise ValueError(
            f"{name} must be relative to the base URL, such as /payouts/po_1, and hold "
            "nothing but names; give a query as params."
        )
    return "/" + "/".join(segments)


def url(name: str, value: object) -> str:
    """An address of the web."""
    checked = text(name, value)
    if not re.match(r"https?://[^\s/]", checked) or not checked.isprintable():
        raise ValueError(f"{name} must be a URL that begins with https:// (or http://).")
    return checked


def metadata(name: str, value: object) -> dict[str, str]:
    """The merchant's own texts."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict of texts, not {type(value).__name__}.")
    return {text(f"a key of {name}", key): text(f"{name}[{key!r}]", v) for key, v in value.items()}


def event_types(name: str, value: object) -> list[str]:
    """Names of event types, or ``["*"]``."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of event types, not {type(value).__name__}.")
    if not value:
        raise ValueError(f'{name} must name at least one event type, or be ["*"].')
    return [text(f"an entry of {name}", item) for item in value]


def moments(name: str, value: object) -> dict[str, int]:
    """Bounds of a time: ``{"gte": 1709472000}``, or aware datetimes."""
    if not isinstance(value, Mapping) or set(value) - set(_BOUNDS) or not value:
        raise TypeError(f"{name} must be a dict with {', '.join(_BOUNDS)}.")
    return {bound: _moment(f"{name}[{bound!r}]", moment) for bound, moment in value.items()}


def _moment(name: str, value: object) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} must be a datetime with a time zone, or unix seconds.")
        return int(value.timestamp())
    return integer(name, value)


_CARD: dict[str, Check] = {
    "number": text,
    "exp_month": integer,
    "exp_year": integer,
    "cvc": text,
    "name": text,
}


def card(name: str, value: object) -> dict[str, Any]:
    """Card data, on its way to become a token."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}.")
    return body_of(value, _CARD, required=("number", "exp_month", "exp_year"))


def headers(name: str, value: object) -> tuple[tuple[str, str], ...]:
    """Headers to send beside the client's own."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}.")
    return tuple(_header(name, key, content) for key, content in value.items())


def _header(name: str, key: object, content: object) -> tuple[str, str]:
    if not isinstance(key, str) or not isinstance(content, str):
        raise TypeError(f"{name} must map str to str.")
    if not _HEADER_NAME.fullmatch(key) or not (content.isascii() and content.isprintable()):
        raise ValueError(f"{name} must be names and values of printable ASCII.")
    if key.lower() in _OWN_HEADERS:
        raise ValueError(f"{name} must not set {key}: the client does. Use its own argument.")
    return key, content
