"""What an exam sends, and which answer is right.

Handlers know its events by ``metadata["paysafer_exam"]``.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ... import signing
from ...config import Config
from ...errors import ConfigurationError
from ...translation import event_in_their_words
from ...webhooks.rehearsal import sign_with
from ..http import Header, HTTPClient, Reply
from .diagnosis import REWRITTEN, TOO_LARGE, TOO_NEW, TOO_OLD, Finding, explain

MARK = {"paysafer_exam": "true"}
"""In the metadata of every object an exam sends: handlers may return at once for it."""

_OBJECTS: dict[str, dict[str, Any]] = {
    "payment": {"id": "pay_exam", "amount": 100, "currency": "aed", "status": "succeeded"},
    "customer": {"id": "cus_exam", "name": "Exam"},
    "payout": {"id": "po_exam", "amount": 100, "currency": "aed", "status": "paid"},
    "dispute": {"id": "dp_exam", "payment": "pay_exam", "amount": 100, "currency": "aed"},
}


def exam_event(event_id: str, kind: str, created: int, **changes: Any) -> dict[str, Any]:
    """Return an event of type ``kind``, always of test mode: a live shop stores and ignores it."""
    name = kind.partition(".")[0]
    data = {"object": name, "livemode": False, "metadata": MARK, "created": created}
    return {
        "id": event_id,
        "object": "event",
        "type": kind,
        "api_version": "2026-01-15",
        "created": created,
        "data": {**_OBJECTS.get(name, {"id": "exam"}), **data, **changes},
    }


def written(event: dict[str, Any]) -> bytes:
    """Return the event as no JSON library writes it by default.

    What reads it and writes it again changes its bytes, and so breaks its signature.
    """
    return (json.dumps(event, indent=3, separators=(" ,", " :  ")) + "\n").encode()


def rewritten(event: dict[str, Any]) -> bytes:
    """Return the event as Flask's own JSON would write it."""
    return json.dumps(event, separators=(",", ":"), sort_keys=True).encode()


FOREIGN_SECRET = "whsec_bm9ib2R5SGFzQ29uZmlndXJlZFRoaXM="  # noqa: S105 (an attacker's guess, no secret)


class Runner:
    """One exam of one shop: its events' ids are its own, so that exams can be repeated.

    :raises ConfigurationError: if the settings leave nothing to sign with.
    """

    def __init__(self, config: Config, http: HTTPClient, *, kind: str) -> None:
        if not config.webhook_secrets:
            raise ConfigurationError(
                f"{config.setting('WEBHOOK_SECRET')} is not set. An exam signs with the secret "
                "that the shop checks with: run it with the shop's own settings."
            )
        self.config = config
        self.kind = kind
        self._http = http
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._scheme = signing.get_scheme(config.signature_scheme, config.profile)
        self._signature_header = config.delivery_profile.headers.signature
        sign_with(config, b"{}", config.webhook_secrets[0])  # fails for a scheme that can't sign
        self.event_ids: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def signs_time(self) -> bool:
        """Whether the scheme signs the time, so that a signature can be too old."""
        return self._scheme.signs_time

    @property
    def tolerance(self) -> int:
        """How old a signature may be, in seconds."""
        return int(self.config.profile.covering(self.config.webhook_tolerance))

    def event(self, kind: str | None = None, *, age: int = 0, **changes: Any) -> dict[str, Any]:
        """Return a new event, made ``age`` seconds ago."""
        event_id = f"evt_exam_{self._run}_{next(self._numbers)}"
        self.event_ids.append(event_id)
        made = exam_event(event_id, kind or self.kind, int(time.time()) - age, **changes)
        return event_in_their_words(self.config.profile, made)

    def body(self, kind: str | None = None, **changes: Any) -> bytes:
        """Return a new event's bytes."""
        return written(self.event(kind, **changes))

    def signed(self, body: bytes, *, secret: str | None = None, age: int = 0) -> dict[str, str]:
        """Return the headers of ``body``, signed ``age`` seconds ago."""
        key = self.config.webhook_secrets[0] if secret is None else secret
        return sign_with(self.config, body, key, timestamp=int(time.time()) - age)

    def signed_twice(self, body: bytes, other: str) -> dict[str, str]:
        """Return the headers of ``body`` with the signature of another secret beside ours."""
        name = self._signature_header
        genuine, foreign = self.signed(body), self.signed(body, secret=other)[name]
        added = f" {foreign}" if foreign.startswith("v1,") else f",{foreign.rpartition(',')[2]}"
        return {**genuine, name: genuine[name] + added}

    def with_signature(self, body: bytes, signature: str) -> dict[str, str]:
        """Return the headers of ``body`` with ``signature`` in place of the genuine one."""
        return {**self.signed(body), self._signature_header: signature}

    def deliver(
        self,
        body: bytes,
        *signed: Mapping[str, str],
        method: str = "POST",
        chunked: bool = False,
        suffix: str = "",
        headers: Sequence[Header] = (("Content-Type", "application/json"),),
    ) -> Reply:
        """POST ``body`` with the headers of its signatures, or with none."""
        given = [*headers, *(header for one in signed for header in one.items())]
        self.bodies.append(body)
        return self._http.send(method, given, body, chunked=chunked, suffix=suffix)

    def deliver_genuine(self, body: bytes | None = None, **request: Any) -> Reply:
        """POST ``body``, by default a new event, as PaySafer would."""
        body = self.body() if body is None else body
        return self.deliver(body, self.signed(body), **request)

    def deliver_at_once(self, body: bytes, times: int) -> list[Reply]:
        """POST the same event ``times`` times at the same moment."""
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self.deliver_genuine(body), range(times)))


PAYSAFER_WAITS = 10
"""Seconds after which PaySafer takes a delivery for failed."""
SLOW = 5
"""Seconds that leave too little room for a busy hour."""


@dataclass(frozen=True)
class Case:
    """One thing that is sent."""

    name: str
    story: str
    """Who sends it, and why."""
    right: frozenset[int]
    """The statuses that are right."""
    send: Callable[[Runner], Sequence[Reply]]
    needs: Callable[[Runner], str] = lambda _: ""
    """Returns why the case can't be tried, or nothing."""
    causes: Mapping[int, Finding] = field(default_factory=dict)
    """What a wrong status means in this case and no other."""

    @property
    def should_accept(self) -> bool:
        """Whether the shop is to take what is sent."""
        return 200 in self.right


@dataclass(frozen=True)
class Grade:
    """How the shop did in one case."""

    case: Case
    outcome: str
    """``pass``, ``warn``, ``fail`` or ``skip``."""
    answered: str
    finding: Finding | None = None


def grade_case(case: Case, runner: Runner) -> Grade:
    """Send one case and grade what came back."""
    missing = case.needs(runner)
    if missing:
        return Grade(case, "skip", "", Finding(missing, ""))
    replies = case.send(runner)
    answered = ", ".join(_shown(reply) for reply in replies)
    wrong = [reply for reply in replies if not _is_right(case, reply)]
    if wrong:
        return Grade(case, "fail", answered, _find_cause(case, wrong[0], runner))
    slowest = max(reply.seconds for reply in replies)
    if slowest > SLOW:
        return Grade(case, "warn", answered, _slow(slowest))
    return Grade(case, "pass", answered)


def _is_right(case: Case, reply: Reply) -> bool:
    if reply.status == 200 and '"received"' not in reply.text:
        return False
    return reply.status in case.right and reply.seconds < PAYSAFER_WAITS


def _shown(reply: Reply) -> str:
    return str(reply.status) if reply.status else reply.error


def _slow(seconds: float) -> Finding:
    return Finding(
        f"The answer took {seconds:.1f} s, and PaySafer waits {PAYSAFER_WAITS} s.",
        "Let handlers hand long work to a queue, or set PAYSAFER_DISPATCH to celery.",
    )


def _find_cause(case: Case, reply: Reply, runner: Runner) -> Finding:
    if reply.status in case.right and reply.seconds >= PAYSAFER_WAITS:
        return _slow(reply.seconds)
    if reply.status in case.causes:
        return case.causes[reply.status]
    if case.should_accept and reply.status == 400 and _accepts_rewritten_alone(runner):
        return REWRITTEN
    return explain(reply, should_accept=case.should_accept)


def _accepts_rewritten_alone(runner: Runner) -> bool:
    """Whether the shop takes only what looks the same after being read and written again."""
    event = runner.event()
    taken = [runner.deliver_genuine(body).status for body in (rewritten(event), written(event))]
    return taken == [200, 400]


def _tampered(runner: Runner) -> list[Reply]:
    body = runner.body()
    return [runner.deliver(body.replace(b"exam", b"exon", 1), runner.signed(body))]


def _rewritten(runner: Runner) -> list[Reply]:
    event = runner.event()
    return [runner.deliver(rewritten(event), runner.signed(written(event)))]


def _aged(age: Callable[[Runner], int]) -> Callable[[Runner], list[Reply]]:
    def send(runner: Runner) -> list[Reply]:
        body = runner.body()
        return [runner.deliver(body, runner.signed(body, age=age(runner)))]

    return send


def _with_signature(*signatures: str) -> Callable[[Runner], list[Reply]]:
    def send(runner: Runner) -> list[Reply]:
        bodies = [runner.body() for _ in signatures]
        return [
            runner.deliver(body, runner.with_signature(body, signature))
            for body, signature in zip(bodies, signatures, strict=True)
        ]

    return send


def _foreign(runner: Runner) -> list[Reply]:
    body = runner.body()
    return [runner.deliver(body, runner.signed(body, secret=FOREIGN_SECRET))]


def _every_secret(runner: Runner) -> list[Reply]:
    replies = []
    for secret in runner.config.webhook_secrets:
        body = runner.body()
        replies.append(runner.deliver(body, runner.signed(body, secret=secret)))
    return replies


def _rotating_sender(runner: Runner) -> list[Reply]:
    body = runner.body()
    return [runner.deliver(body, runner.signed_twice(body, FOREIGN_SECRET))]


def _two_headers(runner: Runner) -> list[Reply]:
    body = runner.body()
    return [runner.deliver(body, runner.signed(body), runner.signed(body))]


def _replayed(runner: Runner) -> list[Reply]:
    body = runner.body()
    return [runner.deliver_genuine(body), runner.deliver_genuine(body)]


def _reordered(runner: Runner) -> list[Reply]:
    old, new = runner.body(age=120), runner.body(age=60)
    return [runner.deliver_genuine(new), runner.deliver_genuine(old)]


def _contradicting(runner: Runner) -> list[Reply]:
    event = runner.event()
    other = {**event, "data": {**event["data"], "description": "other content"}}
    return [runner.deliver_genuine(written(event)), runner.deliver_genuine(written(other))]


def _oversize(*, chunked: bool) -> Callable[[Runner], list[Reply]]:
    def send(runner: Runner) -> list[Reply]:
        body = runner.body().ljust(runner.config.webhook_max_bytes + 1)
        return [runner.deliver_genuine(body, chunked=chunked)]

    return send


def _typed(*headers: tuple[str, str]) -> Callable[[Runner], list[Reply]]:
    return lambda runner: [runner.deliver_genuine(headers=headers)]


def _needs_time(runner: Runner) -> str:
    return "" if runner.signs_time else "The signature scheme does not sign the time."


def _needs_two_secrets(runner: Runner) -> str:
    several = len(runner.config.webhook_secrets) > 1
    return "" if several else "Only one secret is set; no rotation is going on."


_TAKEN, _REFUSED = frozenset({200}), frozenset({400})
_READ_ALL = {200: TOO_LARGE, 400: TOO_LARGE}

CASES: tuple[Case, ...] = (
    Case("genuine", "PaySafer delivers an event", _TAKEN, lambda e: [e.deliver_genuine()]),
    Case(
        "slow handler",
        f"PaySafer waits {PAYSAFER_WAITS} seconds for an answer",
        _TAKEN,
        lambda e: [e.deliver_genuine(e.body())],
    ),
    Case(
        "trailing slash",
        "PaySafer has the address with a slash at its end",
        _TAKEN,
        lambda e: [e.deliver_genuine(suffix="/")],
    ),
    Case(
        "chunked",
        "A proxy passes the body on in chunks",
        _TAKEN,
        lambda e: [e.deliver_genuine(chunked=True)],
    ),
    Case(
        "unknown type",
        "PaySafer adds a type of event",
        _TAKEN,
        lambda e: [e.deliver_genuine(e.body("exam.unknown"))],
    ),
    Case("replay", "PaySafer delivers an event again", _TAKEN, _replayed),
    Case(
        "duplicate at once",
        "PaySafer delivers an event five times at the same moment",
        frozenset({200, 409}),
        lambda e: e.deliver_at_once(e.body(), 5),
    ),
    Case("reordered", "The older of two events comes last", _TAKEN, _reordered),
    Case("other content", "One event id comes with two contents", _TAKEN, _contradicting),
    Case("rotated secret", "Each of the secrets signs", _TAKEN, _every_secret, _needs_two_secrets),
    Case(
        "rotating sender",
        "PaySafer signs with an old and a new secret",
        _TAKEN,
        _rotating_sender,
        _needs_time,
    ),
    Case(
        "no event",
        "PaySafer signs what is no event",
        _REFUSED,
        lambda e: [e.deliver_genuine(b"[]")],
    ),
    Case("unsigned", "An attacker signs nothing", _REFUSED, lambda e: [e.deliver(e.body())]),
    Case("wrong secret", "An attacker signs with a secret of his own", _REFUSED, _foreign),
    Case("tampered", "An attacker changes a signed body", _REFUSED, _tampered),
    Case("re-serialised", "A proxy writes the JSON anew", _REFUSED, _rewritten),
    Case(
        "stale",
        "An attacker replays an old request",
        _REFUSED,
        _aged(lambda e: e.tolerance + 30),
        _needs_time,
        {200: TOO_OLD},
    ),
    Case(
        "future",
        "A signature is made for later",
        _REFUSED,
        _aged(lambda _: -120),
        _needs_time,
        {200: TOO_NEW},
    ),
    Case(
        "malformed",
        "An attacker sends headers that break parsers",
        _REFUSED,
        _with_signature("", "t=,v1=", "t=\xb2,v1=\xe9", "v1=" + "0" * 64, ",=" * 500),
    ),
    Case("two signatures", "An attacker adds a second header", _REFUSED, _two_headers),
    Case(
        "oversize",
        "An attacker sends too much",
        frozenset({413}),
        _oversize(chunked=False),
        causes=_READ_ALL,
    ),
    Case(
        "oversize, chunked",
        "An attacker sends too much without saying so",
        frozenset({413}),
        _oversize(chunked=True),
        causes=_READ_ALL,
    ),
    Case(
        "form",
        "A browser on another site posts a form",
        frozenset({415}),
        _typed(("Content-Type", "application/x-www-form-urlencoded")),
    ),
    Case(
        "compressed",
        "An attacker sends a compressed body",
        frozenset({415}),
        _typed(("Content-Type", "application/json"), ("Content-Encoding", "gzip")),
    ),
    Case(
        "other method",
        "Somebody opens the address in a browser",
        frozenset({405}),
        lambda e: [e.deliver(b"", method="GET")],
    ),
)
"""Every case, the provider's first."""
