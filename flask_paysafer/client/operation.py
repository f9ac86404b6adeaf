"""What one call is: what to send, and how to read the answer. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from ..idempotency import check_key, fresh_key
from . import fields

__all__ = ["Operation", "Options", "Settlement", "encode", "split"]

T = TypeVar("T")

_ENCODER = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_KEYED = frozenset({"POST", "PATCH"})


class Options(NamedTuple):
    """What one call asks for itself; None: as the client does."""

    idempotency_key: str | None = None
    timeout: float | None = None
    deadline: float | None = None
    max_retries: int | None = None
    headers: tuple[tuple[str, str], ...] = ()


_OPTIONS: dict[str, fields.Check] = {
    "idempotency_key": lambda _, key: check_key(key),
    "timeout": fields.seconds,
    "deadline": fields.seconds,
    "max_retries": fields.integer,
    "headers": fields.headers,
}


class Settlement(NamedTuple, Generic[T]):
    """How to find out whether a call was carried out."""

    reading: Operation[T]
    """Reads the object back."""
    judge: Callable[[T], bool | None]
    """True if the call was carried out, False if it can't be any more, None if open."""


@dataclass(slots=True, kw_only=True)
class Operation(Generic[T]):
    """One call of the API. The same bytes and key serve all its attempts."""

    method: str
    path: str
    """Relative to the base URL, quoted: ``/payments/pay_1``."""
    route: str
    """The path with a placeholder for the id, for metrics: ``/payments/{id}``."""
    read: Callable[[dict[str, Any]], T] = field(repr=False)
    """Makes the result of the answer's JSON; raises UnreadableError for something else."""
    options: Options = field(repr=False)
    query: str = field(default="", repr=False)
    body: bytes = field(default=b"", repr=False)
    expected_id: str | None = None
    """The id that the answer must have."""
    is_publishable: bool = False
    """Send the publishable key, not the secret one."""
    is_checkout: bool = False
    """A buyer is waiting: it may use the reserve of the rate limit."""
    settlement: Settlement[T] | None = field(default=None, repr=False)
    """How to find out what became of it if its answer is lost."""

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing at PaySafer."""
        return self.method == "GET"

    @property
    def is_repeatable(self) -> bool:
        """Whether sending it twice does no more than sending it once."""
        return self.is_read or self.method == "DELETE" or self.options.idempotency_key is not None


def split(method: str, params: Mapping[str, object]) -> tuple[Options, dict[str, object]]:
    """Part the options of a call from the arguments that become its body or query."""
    given = {
        name: check(name, params[name])
        for name, check in _OPTIONS.items()
        if params.get(name) is not None
    }
    if method in _KEYED and "idempotency_key" not in given:
        given["idempotency_key"] = fresh_key()
    return Options(**given), {name: params[name] for name in params if name not in _OPTIONS}


def encode(body: Any) -> bytes:
    """Return compact JSON.

    :raises ValueError: for NaN and Infinity.
    :raises TypeError: for what JSON can't hold.
    """
    return _ENCODER.encode(body).encode()
