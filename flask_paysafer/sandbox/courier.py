"""Carry one delivery to a shop: one POST, no redirects, a time limit."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

TIMEOUT_SECONDS = 10.0
"""How long a shop may take, in real seconds."""
_MAX_ANSWER = 65536


class Parcel(NamedTuple):
    """What is sent."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What came back: a status, or the reason why there is none."""

    status_code: int | None = None
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the shop took it: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300


Courier = Callable[[Parcel], Reply]
"""Sends a parcel; tests and in-process shops bring their own. What it raises fails the attempt."""


def link_problem(url: str, *, allow_remote: bool) -> str | None:
    """Return why nothing can be delivered to ``url``, or None."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return "is not an address."
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        return "must be an http:// or https:// address without a user in it."
    if not allow_remote and not is_loopback(parts.hostname):
        return (
            "isn't on this machine, and the sandbox sends nothing elsewhere: use 127.0.0.1 or "
            "localhost, or start it with --allow-remote-webhooks."
        )
    return None


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (a name or an address) is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class HttpCourier:
    """Delivers over HTTP.

    :param allow_remote: Whether addresses beyond loopback may be reached; a
        name is looked up and judged by where it leads.
    """

    def __init__(self, *, allow_remote: bool = False, timeout: float = TIMEOUT_SECONDS) -> None:
        self._allow_remote = allow_remote
        self._timeout = timeout

    def __call__(self, parcel: Parcel) -> Reply:
        """Send it once."""
        problem = link_problem(parcel.url, allow_remote=self._allow_remote)
        if problem:
            return Reply(error=f"The address {problem}")
        try:
            return self._send(parcel, urlsplit(parcel.url))
        except TimeoutError:
            return self._too_late()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return Reply(error=f"{type(error).__name__}: {error}".rstrip(": "))

    def _send(self, parcel: Parcel, parts: SplitResult) -> Reply:
        connection = self._connect(parts)
        late = threading.Event()
        timer = threading.Timer(self._timeout, _cut, (connection, late))
        timer.daemon = True
        timer.start()
        try:
            reply = _exchange(connection, parcel, parts)
            # Cut off in its body, an answer looks like one that is complete.
            return self._too_late() if late.is_set() else reply
        except (OSError, http.client.HTTPException, ValueError):
            if late.is_set():
                return self._too_late()
            raise
        finally:
            timer.cancel()
            connection.close()

    def _connect(self, parts: SplitResult) -> http.client.HTTPConnection:
        secure = parts.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=self._timeout)
        connection.connect()
        peer = connection.sock.getpeername()[0]
        if not self._allow_remote and not is_loopback(peer):
            connection.close()
            raise OSError(f"{parts.hostname} leads to {peer}, which isn't this machine")
        return connection

    def _too_late(self) -> Reply:
        return Reply(error=f"timeout: no answer within {self._timeout:g} seconds")


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End the exchange; an answer that trickles in would outlive any socket timeout."""
    late.set()
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return  # it ended by itself in the meantime


def _exchange(connection: http.client.HTTPConnection, parcel: Parcel, parts: SplitResult) -> Reply:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body=parcel.body, headers=parcel.headers)
    answer = connection.getresponse()
    body = answer.read(_MAX_ANSWER).decode("utf-8", "replace")
    return Reply(answer.status, headers=dict(answer.getheaders()), body=body)
