"""Fault injection: which faults are armed, and what they do to an answer.

Over a real socket the connection itself is broken. In process there is none, so the error is
raised that httpx raises for a broken connection: the client under test sees no difference.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import httpx
from flask import Response

from .errors import ApiError, invalid
from .fields import Choice, Integer, Kind, Number, Record, Text
from .store import new_id

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


BEFORE_WORK = frozenset({"error-500", "rate-limit"})
"""Nothing is done, and nothing is stored for the key."""
AFTER_WORK = frozenset({"lost-answer", "truncate", "bad-json", "drip"})
"""Everything is done, and the answer suffers."""
API_KINDS = (*sorted(BEFORE_WORK), "delay", *sorted(AFTER_WORK))
WEBHOOK_KINDS = ("duplicate-delivery", "reorder-deliveries")
HEADER = "PaySafer-Sandbox-Fault"
DEFAULT_SECONDS = 3.0


SECONDS = Number(3600)

_FIELDS: dict[str, Kind] = {
    "kind": Choice((*API_KINDS, *WEBHOOK_KINDS)),
    "method": Text(16),
    "path": Text(2048),
    "times": Integer(1, 1_000_000),
    "seconds": SECONDS,
}
ARM_FAULT = Record(_FIELDS, required=("kind",))


@dataclass(frozen=True)
class Fault:
    """One fault that waits for a request."""

    id: str
    kind: str
    method: str | None = None
    path: str | None = None
    """As in the URL, ``/v1`` included; ``*`` matches anything."""
    times: int = 1
    seconds: float = DEFAULT_SECONDS
    """How long ``delay`` and ``drip`` take, in real seconds."""

    def fits(self, method: str, path: str) -> bool:
        """Tell whether it is meant for this request."""
        return (self.method is None or self.method.upper() == method) and (
            self.path is None or self.path == path or fnmatchcase(path, self.path)
        )

    def shown(self) -> dict[str, Any]:
        """Return it as the control API shows it."""
        return {name: value for name, value in vars(self).items() if value is not None}


class Faults:
    """The armed faults, oldest first; the caller holds the store's lock.

    :param kept: What was armed before, as :meth:`listed` returned it.
    :param keep: Called after each change.
    """

    def __init__(self, kept: Iterable[Mapping[str, Any]], keep: Callable[[], None]) -> None:
        self._armed = [Fault(**fault) for fault in kept]
        self._keep = keep

    def arm(self, data: dict[str, Any]) -> Fault:
        """Arm a fault.

        :raises ApiError: 400 for an unknown kind and the like.
        """
        fault = Fault(new_id("flt"), **ARM_FAULT.check(data))
        self._armed.append(fault)
        self._keep()
        return fault

    def take(self, kinds: tuple[str, ...], method: str, path: str) -> Fault | None:
        """Return the first fault of these kinds that fits, and count it as used."""
        for place, fault in enumerate(self._armed):
            if fault.kind in kinds and fault.fits(method, path):
                self._armed[place : place + 1] = _used(fault)
                self._keep()
                return fault
        return None

    def listed(self) -> list[dict[str, Any]]:
        """Return what is still armed."""
        return [fault.shown() for fault in self._armed]

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()
        self._keep()


def _used(fault: Fault) -> list[Fault]:
    return [replace(fault, times=fault.times - 1)] if fault.times > 1 else []


def asked_for(header: str) -> Fault:
    """Return the fault that a request asks for itself: ``drip`` or ``delay; seconds=2``.

    :raises ApiError: 400 for a header that can't be read.
    """
    kind, _, options = (part.strip() for part in header.partition(";"))
    name, _, seconds = (part.strip() for part in options.partition("="))
    if kind not in API_KINDS or (options and name != "seconds"):
        raise _unreadable()
    try:
        duration = SECONDS.check(float(seconds), HEADER) if options else DEFAULT_SECONDS
    except ValueError:
        raise _unreadable() from None
    return Fault("header", kind, seconds=duration)


def _unreadable() -> ApiError:
    return invalid(HEADER, f"must be one of {', '.join(API_KINDS)}, perhaps with '; seconds=2'.")


SOCKET = "paysafer.sandbox.socket"
"""Where the sandbox's own server leaves the connection in the WSGI environment."""
_DRIPS = 10


def inject_fault(answer: Response, fault: Fault, closing: threading.Event) -> Response:
    """Return the answer as the fault leaves it.

    :param closing: Set when the sandbox stops: nothing drips on after that.
    """
    body = answer.get_data()
    if fault.kind == "bad-json":
        answer.set_data(b'{"id": ' + body[: len(body) // 2])
        return answer
    answer.headers["Content-Length"] = str(len(body))
    if fault.kind == "drip":
        answer.response = _drip(body, fault.seconds, closing)
        return answer
    kept = b"" if fault.kind == "lost-answer" else body[: len(body) // 2]
    return _Broken(answer, kept)


def _drip(body: bytes, seconds: float, closing: threading.Event) -> Iterator[bytes]:
    size = max(1, len(body) // _DRIPS)
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    for piece in pieces:
        closing.wait(seconds / len(pieces))
        yield piece


class _Broken(Response):
    """An answer whose connection breaks after ``kept`` of its body."""

    def __init__(self, answer: Response, kept: bytes) -> None:
        super().__init__(status=answer.status, headers=answer.headers)
        self._kept = kept

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        break_off = _breaker(environ.get(SOCKET))
        if not self._kept:
            break_off("Server disconnected without sending a response.")
        start_response(self.status, self.get_wsgi_headers(environ).to_wsgi_list())
        return self._send(break_off)

    def _send(self, break_off: Callable[[str], None]) -> Iterator[bytes]:
        yield self._kept
        break_off("peer closed connection without sending complete message body")


def _breaker(connection: socket.socket | None) -> Callable[[str], None]:
    def break_off(message: str) -> None:
        if connection is None:
            raise httpx.RemoteProtocolError(message)
        connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    return break_off
