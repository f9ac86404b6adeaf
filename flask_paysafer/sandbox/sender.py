"""Sign one delivery and send it over HTTP: one POST, no redirects, a time limit."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal, NamedTuple
from urllib.parse import SplitResult, urlsplit

from ..profile import ApiProfile
from ..signing import get_scheme
from ..translation import event_in_their_words
from .clock import VirtualClock
from .store import Row, shown

TIMEOUT_SECONDS = 10.0
"""How long a shop may take, in real seconds."""
_MAX_ANSWER = 65536


class WebhookRequest(NamedTuple):
    """One POST to a shop."""

    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class WebhookResponse:
    """The shop's answer: a status, or the reason why there is none."""

    status_code: int | None = None
    error: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the shop took it: any 2xx."""
        return self.status_code is not None and 200 <= self.status_code < 300


Sender = Callable[[WebhookRequest], WebhookResponse]
"""Sends a request; tests and in-process shops bring their own. What it raises fails the attempt."""


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


class HttpSender:
    """Delivers over HTTP.

    :param allow_remote: Whether addresses beyond loopback may be reached; a
        name is looked up and judged by where it leads.
    """

    def __init__(self, *, allow_remote: bool = False, timeout: float = TIMEOUT_SECONDS) -> None:
        self._allow_remote = allow_remote
        self._timeout = timeout

    def __call__(self, request: WebhookRequest) -> WebhookResponse:
        """Send it once."""
        problem = link_problem(request.url, allow_remote=self._allow_remote)
        if problem:
            return WebhookResponse(error=f"The address {problem}")
        try:
            return self._send(request, urlsplit(request.url))
        except TimeoutError:
            return self._too_late()
        except (OSError, http.client.HTTPException, ValueError) as error:
            return WebhookResponse(error=f"{type(error).__name__}: {error}".rstrip(": "))

    def _send(self, request: WebhookRequest, parts: SplitResult) -> WebhookResponse:
        connection = self._connect(parts)
        late = threading.Event()
        timer = threading.Timer(self._timeout, _cut, (connection, late))
        timer.daemon = True
        timer.start()
        try:
            reply = _exchange(connection, request, parts)
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

    def _too_late(self) -> WebhookResponse:
        return WebhookResponse(error=f"timeout: no answer within {self._timeout:g} seconds")


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    """End the exchange; an answer that trickles in would outlive any socket timeout."""
    late.set()
    try:
        connection.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        return  # it ended by itself in the meantime


def _exchange(
    connection: http.client.HTTPConnection, request: WebhookRequest, parts: SplitResult
) -> WebhookResponse:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("POST", target, body=request.body, headers=request.headers)
    answer = connection.getresponse()
    body = answer.read(_MAX_ANSWER).decode("utf-8", "replace")
    return WebhookResponse(answer.status, headers=dict(answer.getheaders()), body=body)


SignWith = Literal["auto", "virtual", "wall"]
SIGN_WITH: tuple[SignWith, ...] = ("auto", "virtual", "wall")
_NOTICEABLE_SECONDS = 60
"""How far apart two clocks must be before a shop minds."""


class Signer:
    """Sends events to endpoints.

    Signatures carry the virtual time. A shop that runs on a real clock has to
    refuse that once the virtual clock was moved, for the signature comes from
    its future; so with ``auto`` an attempt that is refused with 400 "Invalid
    signature" is made again with the real time, and the endpoint is remembered.

    :param wall: The real time in unix seconds.
    :param scheme: How to sign; by default as the profile says.
    """

    def __init__(
        self,
        sender: Sender,
        clock: VirtualClock,
        wall: Callable[[], float],
        *,
        scheme: str | None = None,
        sign_with: SignWith,
    ) -> None:
        self._sender = sender
        self._clock = clock
        self._wall = wall
        self._scheme_name = scheme
        self.play(ApiProfile())
        self._on_real_clocks: set[str] = set()
        self.sign_with = sign_with

    def play(self, profile: ApiProfile) -> None:
        """Write and sign events as the profile says."""
        self._profile = profile
        self._scheme = get_scheme(self._scheme_name or profile.webhooks.scheme, profile)

    def deliver(self, event: Row, endpoint: Row) -> dict[str, Any]:
        """Send the event once; return the attempt as deliveries show it."""
        at = int(self._clock.now())
        is_resigned = self._profile.webhooks.resigned_on_retry
        moment = self._signing_time(endpoint) if is_resigned else event["created"]
        request = self.request(event, endpoint, moment)
        reply = self._send(request)
        if self._may_be_a_clock_apart(endpoint, reply):
            second = self.request(event, endpoint, self._wall())
            answer = self._send(second)
            if not _is_refused_signature(answer):
                self._on_real_clocks.add(endpoint["id"])
                request, reply = second, answer
        return _attempt(at, request, reply)

    def _send(self, request: WebhookRequest) -> WebhookResponse:
        try:
            return self._sender(request)
        except Exception as error:  # noqa: BLE001 (a shop in process may raise whatever it likes)
            return WebhookResponse(error=f"{type(error).__name__}: {error}")

    def _signing_time(self, endpoint: Row) -> float:
        real = self.sign_with == "wall" or (
            self.sign_with == "auto" and endpoint["id"] in self._on_real_clocks
        )
        return self._wall() if real else self._clock.now()

    def _may_be_a_clock_apart(self, endpoint: Row, reply: WebhookResponse) -> bool:
        return (
            self.sign_with == "auto"
            and endpoint["id"] not in self._on_real_clocks
            and abs(self._clock.now() - self._wall()) > _NOTICEABLE_SECONDS
            and _is_refused_signature(reply)
        )

    def request(self, event: Row, endpoint: Row, moment: float) -> WebhookRequest:
        """Return the delivery of ``event`` to ``endpoint`` as it is when signed at ``moment``."""
        body = json.dumps(event_in_their_words(self._profile, shown(event))).encode()
        signed = self._scheme.sign(
            body, endpoint["_secret"], timestamp=int(moment), message_id=event["id"]
        )
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PaySafer-Sandbox",
            **signed,
        }
        return WebhookRequest(endpoint["url"], headers, body)


def _is_refused_signature(reply: WebhookResponse) -> bool:
    return reply.status_code == 400 and "invalid signature" in reply.body.lower()


def _attempt(at: int, request: WebhookRequest, reply: WebhookResponse) -> dict[str, Any]:
    return {
        "at": at,
        "status_code": reply.status_code,
        "error": reply.error,
        "accepted": reply.accepted,
        "request": {"headers": request.headers, "body": request.body.decode()},
        "response": {"headers": reply.headers, "body": reply.body},
    }
