"""One call of the API: what is sent in each attempt, and what comes back. Pure.

Headers, bodies and queries hold keys and personal data, so no ``repr`` shows them, and
none is ever a bare list or dict in a local of a frame that an error can leave: error
trackers print those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, NamedTuple, TypeVar

from ..idempotency import fresh_key

__all__ = [
    "AttemptResult",
    "NoResponse",
    "Operation",
    "Options",
    "Recovery",
    "Response",
    "Send",
    "Sleep",
    "encode_json",
    "encode_query",
    "headers_of",
]

T = TypeVar("T")
Query = tuple[tuple[str, str], ...]

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_KEYED = frozenset({"POST", "PATCH"})


@dataclass(slots=True, repr=False)
class Options:
    """The options of one call; None: the client's."""

    idempotency_key: str | None = None
    timeout: float | None = None
    deadline: float | None = None
    max_retries: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    extra: dict[str, Any] | None = None

    @classmethod
    def take_from(cls, arguments: dict[str, Any], method: str) -> Options:
        """Take a call's options out of its checked arguments.

        A call that changes something gets a fresh idempotency key if it has none.
        """
        options = cls(**{name: arguments.pop(name) for name in _OPTIONS if name in arguments})
        if method in _KEYED and options.idempotency_key is None:
            options.idempotency_key = fresh_key()
        return options


_OPTIONS = tuple(Options.__slots__)


class Recovery(NamedTuple, Generic[T]):
    """How to find out whether a call was carried out whose response was lost."""

    reading: Operation[T]
    """Reads the object back."""
    judge: Callable[[T], bool | None]
    """True if the call was carried out, False if it can't be any more, None if that is open."""


@dataclass(slots=True, kw_only=True)
class Operation(Generic[T]):
    """One call of the API. All its attempts send the same bytes and the same key."""

    method: str
    path: str
    """Relative to the base URL, quoted: ``/payments/pay_1``."""
    route: str
    """The path with a placeholder for the id, for metrics: ``/payments/{id}``."""
    read: Callable[[Any], T] = field(repr=False)
    """Makes the result of the response's JSON; raises UnreadableError for something else."""
    options: Options = field(repr=False)
    query: Query = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    expected_id: str | None = None
    """The id that the response must have."""
    is_publishable: bool = False
    """Send the publishable key, not the secret one."""
    is_checkout: bool = False
    """A buyer is waiting: it may use the reserve of the rate limit."""
    cursor_parameter: str = ""
    """The parameter of a list that takes a page's cursor."""
    recovery: Recovery[T] | None = field(default=None, repr=False)
    """How to find out what became of it if its response is lost."""

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing at PaySafer."""
        return self.method == "GET"

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.is_read or self.method == "DELETE" or self.options.idempotency_key is not None

    def at(self, cursor: str) -> Operation[T]:
        """Return the operation that gets the page of a list at ``cursor``."""
        others = [pair for pair in self.query if pair[0] != self.cursor_parameter]
        return replace(self, query=(*others, (self.cursor_parameter, cursor)))


@dataclass(slots=True)
class Send:
    """Asks the driver to send this request once."""

    method: str
    url: str = field(repr=False)
    headers: list[tuple[str, str]] = field(repr=False)
    body: bytes = field(repr=False)
    expires: float
    """The moment, by the monotonic clock, when the attempt's time is over."""


class Sleep(NamedTuple):
    """Asks the driver to wait."""

    seconds: float


@dataclass(slots=True)
class Response:
    """A complete response."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    """Names in lower case."""
    body: bytes = field(repr=False)


class NoResponse(NamedTuple):
    """No complete response came."""

    sent: bool
    """False if PaySafer can't have got the request; True if it may have."""
    timed_out: bool
    reason: str
    """The kind of failure, such as ``ConnectError``; no text of others."""


AttemptResult = Response | NoResponse


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by their names in lower case; of several of one name, the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in raw}


def encode_json(body: Any) -> bytes:
    """Return compact JSON.

    :raises ValueError: for NaN and Infinity.
    :raises TypeError: for what JSON can't hold.
    """
    return _ENCODER.encode(body).encode()


def encode_query(params: Mapping[str, object]) -> Query:
    """Return the pairs of a query; a dict becomes ``created[gte]=…``, a list repeats its name."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}[{key}]", _plain(item)) for key, item in value.items()]
        elif isinstance(value, (list, tuple)):
            pairs += [(name, _plain(item)) for item in value]
        elif value is not None:
            pairs.append((name, _plain(value)))
    return tuple(pairs)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
