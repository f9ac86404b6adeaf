"""What an exam sends, and which answer is right."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from .causes import REWRITTEN, TOO_LARGE, TOO_NEW, TOO_OLD, Finding, explain
from .events import rewritten, written
from .examiner import FOREIGN_SECRET, Examiner
from .speaking import Reply

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
    send: Callable[[Examiner], Sequence[Reply]]
    needs: Callable[[Examiner], str] = lambda _: ""
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


def examine(case: Case, examiner: Examiner) -> Grade:
    """Send one case and grade what came back."""
    missing = case.needs(examiner)
    if missing:
        return Grade(case, "skip", "", Finding(missing, ""))
    replies = case.send(examiner)
    answered = ", ".join(_shown(reply) for reply in replies)
    wrong = [reply for reply in replies if not _is_right(case, reply)]
    if wrong:
        return Grade(case, "fail", answered, _find_cause(case, wrong[0], examiner))
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


def _find_cause(case: Case, reply: Reply, examiner: Examiner) -> Finding:
    if reply.status in case.right and reply.seconds >= PAYSAFER_WAITS:
        return _slow(reply.seconds)
    if reply.status in case.causes:
        return case.causes[reply.status]
    if case.should_accept and reply.status == 400 and _accepts_rewritten_alone(examiner):
        return REWRITTEN
    return explain(reply, should_accept=case.should_accept)


def _accepts_rewritten_alone(examiner: Examiner) -> bool:
    """Whether the shop takes only what looks the same after being read and written again."""
    event = examiner.event()
    taken = [examiner.deliver_genuine(body).status for body in (rewritten(event), written(event))]
    return taken == [200, 400]


def _tampered(examiner: Examiner) -> list[Reply]:
    body = examiner.body()
    return [examiner.deliver(body.replace(b"exam", b"exon", 1), examiner.signature(body))]


def _rewritten(examiner: Examiner) -> list[Reply]:
    event = examiner.event()
    return [examiner.deliver(rewritten(event), examiner.signature(written(event)))]


def _aged(age: Callable[[Examiner], int]) -> Callable[[Examiner], list[Reply]]:
    def send(examiner: Examiner) -> list[Reply]:
        body = examiner.body()
        return [examiner.deliver(body, examiner.signature(body, age=age(examiner)))]

    return send


def _with_signature(*signatures: str) -> Callable[[Examiner], list[Reply]]:
    return lambda examiner: [
        examiner.deliver(examiner.body(), signature) for signature in signatures
    ]


def _foreign(examiner: Examiner) -> list[Reply]:
    body = examiner.body()
    return [examiner.deliver(body, examiner.signature(body, secret=FOREIGN_SECRET))]


def _every_secret(examiner: Examiner) -> list[Reply]:
    replies = []
    for secret in examiner.config.webhook_secrets:
        body = examiner.body()
        replies.append(examiner.deliver(body, examiner.signature(body, secret=secret)))
    return replies


def _rotating_sender(examiner: Examiner) -> list[Reply]:
    body = examiner.body()
    foreign = examiner.signature(body, secret=FOREIGN_SECRET).rpartition("v1=")[2]
    return [examiner.deliver(body, f"{examiner.signature(body)},v1={foreign}")]


def _two_headers(examiner: Examiner) -> list[Reply]:
    body = examiner.body()
    return [examiner.deliver(body, examiner.signature(body), examiner.signature(body))]


def _replayed(examiner: Examiner) -> list[Reply]:
    body = examiner.body()
    return [examiner.deliver_genuine(body), examiner.deliver_genuine(body)]


def _reordered(examiner: Examiner) -> list[Reply]:
    old, new = examiner.body(age=120), examiner.body(age=60)
    return [examiner.deliver_genuine(new), examiner.deliver_genuine(old)]


def _contradicting(examiner: Examiner) -> list[Reply]:
    event = examiner.event()
    other = {**event, "data": {**event["data"], "description": "other content"}}
    return [examiner.deliver_genuine(written(event)), examiner.deliver_genuine(written(other))]


def _oversize(*, chunked: bool) -> Callable[[Examiner], list[Reply]]:
    def send(examiner: Examiner) -> list[Reply]:
        body = examiner.body().ljust(examiner.config.webhook_max_bytes + 1)
        return [examiner.deliver_genuine(body, chunked=chunked)]

    return send


def _typed(*headers: tuple[str, str]) -> Callable[[Examiner], list[Reply]]:
    return lambda examiner: [examiner.deliver_genuine(headers=headers)]


def _needs_time(examiner: Examiner) -> str:
    return "" if examiner.signs_time else "The signature scheme does not sign the time."


def _needs_two_secrets(examiner: Examiner) -> str:
    several = len(examiner.config.webhook_secrets) > 1
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
        _aged(lambda e: e.config.webhook_tolerance + 30),
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
