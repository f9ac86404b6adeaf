"""Make one attempt of a delivery: sign it at this moment, send it, note what came back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

from ..signing import HEADER, BodyScheme, TimestampedScheme
from .clock import VirtualClock
from .courier import Courier, Parcel, Reply
from .ledger import Row, shown

SignWith = Literal["auto", "virtual", "wall"]
SIGN_WITH: tuple[SignWith, ...] = ("auto", "virtual", "wall")
_SCHEMES: dict[str, TimestampedScheme | BodyScheme] = {
    "timestamped": TimestampedScheme(),
    "body": BodyScheme(),
}
_NOTICEABLE_SECONDS = 60
"""How far apart two clocks must be before a shop minds."""


class Postman:
    """Sends events to endpoints.

    Signatures carry the virtual time. A shop that runs on a real clock has to
    refuse that once the virtual clock was moved, for the signature comes from
    its future; so with ``auto`` an attempt that is refused with 400 "Invalid
    signature" is made again with the real time, and the endpoint is remembered.

    :param wall: The real time in unix seconds.
    """

    def __init__(
        self,
        courier: Courier,
        clock: VirtualClock,
        wall: Callable[[], float],
        *,
        scheme: str,
        sign_with: SignWith,
    ) -> None:
        self._courier = courier
        self._clock = clock
        self._wall = wall
        self._scheme = _SCHEMES[scheme]
        self._on_real_clocks: set[str] = set()
        self.sign_with = sign_with

    def deliver(self, event: Row, endpoint: Row) -> dict[str, Any]:
        """Send the event once; return the attempt as deliveries show it."""
        at = int(self._clock.now())
        parcel = self.parcel(event, endpoint, self._signing_time(endpoint))
        reply = self._send(parcel)
        if self._may_be_a_clock_apart(endpoint, reply):
            second = self.parcel(event, endpoint, self._wall())
            answer = self._send(second)
            if not _is_refused_signature(answer):
                self._on_real_clocks.add(endpoint["id"])
                parcel, reply = second, answer
        return _attempt(at, parcel, reply)

    def _send(self, parcel: Parcel) -> Reply:
        try:
            return self._courier(parcel)
        except Exception as error:  # noqa: BLE001 (a shop in process may raise whatever it likes)
            return Reply(error=f"{type(error).__name__}: {error}")

    def _signing_time(self, endpoint: Row) -> float:
        real = self.sign_with == "wall" or (
            self.sign_with == "auto" and endpoint["id"] in self._on_real_clocks
        )
        return self._wall() if real else self._clock.now()

    def _may_be_a_clock_apart(self, endpoint: Row, reply: Reply) -> bool:
        return (
            self.sign_with == "auto"
            and endpoint["id"] not in self._on_real_clocks
            and abs(self._clock.now() - self._wall()) > _NOTICEABLE_SECONDS
            and _is_refused_signature(reply)
        )

    def parcel(self, event: Row, endpoint: Row, moment: float) -> Parcel:
        """Return the delivery of ``event`` to ``endpoint`` as it is when signed at ``moment``."""
        body = json.dumps(shown(event)).encode()
        signature = self._scheme.sign(body, endpoint["_secret"], timestamp=int(moment))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "PaySafer-Sandbox",
            HEADER: signature,
        }
        return Parcel(endpoint["url"], headers, body)


def _is_refused_signature(reply: Reply) -> bool:
    return reply.status_code == 400 and "invalid signature" in reply.body.lower()


def _attempt(at: int, parcel: Parcel, reply: Reply) -> dict[str, Any]:
    return {
        "at": at,
        "status_code": reply.status_code,
        "error": reply.error,
        "accepted": reply.accepted,
        "request": {"headers": parcel.headers, "body": parcel.body.decode()},
        "response": {"headers": reply.headers, "body": reply.body},
    }
