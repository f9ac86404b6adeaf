"""From a wrong answer to its likely cause, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from ..http import UNREACHABLE, Reply


class Finding(NamedTuple):
    """Why an answer was wrong, and what to do."""

    cause: str
    hint: str


class _Rule(NamedTuple):
    fits: Callable[[Reply], bool]
    finding: Finding


def _status(*statuses: int) -> Callable[[Reply], bool]:
    return lambda reply: reply.status in statuses


def _says(status: int, *words: str) -> Callable[[Reply], bool]:
    return lambda reply: (
        reply.status == status and any(word in reply.text.lower() for word in words)
    )


def _redirects(*words: str) -> Callable[[Reply], bool]:
    return lambda reply: (
        300 <= reply.status < 400 and all(word in reply.location.lower() for word in words)
    )


NOBODY = Finding("Nothing listens at this address.", "Start the shop, or correct the URL.")
"""Nothing else is worth trying."""

_ANY_ANSWER = (
    _Rule(lambda reply: reply.error in UNREACHABLE, NOBODY),
    _Rule(
        lambda reply: reply.error == "no answer in time",
        Finding(
            "No answer came in time: a handler is slow, every worker is taken, or a middleware has "
            "read the body, so that the app waits for what never comes.",
            "Let handlers hand long work to a queue, or set PAYSAFER_DISPATCH to celery; let "
            "middleware leave the webhook's requests alone.",
        ),
    ),
    _Rule(
        lambda reply: reply.status == 0,
        Finding(
            "The connection broke without an answer.",
            "See the log of the shop's server, and of the proxy before it.",
        ),
    ),
    _Rule(
        _redirects("login"),
        Finding(
            "A login wall before the app redirects the delivery.",
            "Let the middleware or proxy pass the webhook's address; hooks of the app don't "
            "matter to it.",
        ),
    ),
    _Rule(
        _redirects("https://"),
        Finding(
            "The proxy or the app redirects to HTTPS, and PaySafer follows no redirect.",
            "Register the https:// address, and examine that one.",
        ),
    ),
    _Rule(
        lambda reply: 300 <= reply.status < 400,
        Finding(
            "The proxy or the app redirects, and PaySafer follows no redirect.",
            "Serve the webhook's own address; see the proxy's rules for slashes and hosts.",
        ),
    ),
    _Rule(
        _says(400, "csrf"),
        Finding(
            "CSRF protection refuses the delivery, which no browser sends.",
            "Flask-WTF's CSRFProtect and hooks of the app let it pass by themselves; exempt the "
            "webhook's address in what stands before the app.",
        ),
    ),
    _Rule(
        _status(401, 403, 407),
        Finding(
            "A login wall before the app, an allow-list or a firewall refuses the delivery.",
            "Let the webhook's address pass; see PAYSAFER_WEBHOOK_ALLOWED_NETWORKS.",
        ),
    ),
    _Rule(
        _status(429),
        Finding(
            "A rate limiter of the app, a proxy or a firewall refuses the delivery (429): an exam "
            "sends some forty, and so does PaySafer when many customers pay at once.",
            "Exempt the webhook's address in the limiter; with Flask-Limiter: "
            'limiter.exempt(app.view_functions["paysafer.webhook"]).',
        ),
    ),
    _Rule(
        _status(404, 405),
        Finding(
            "The webhook's route is not at this address.",
            "Call paysafer.init_app(app), and see PAYSAFER_URL_PREFIX and the proxy's paths.",
        ),
    ),
    _Rule(
        _says(503, "not set up"),
        Finding(
            "The running shop has no webhook secret.",
            "Set PAYSAFER_WEBHOOK_SECRET in the shop's environment and start it again.",
        ),
    ),
    _Rule(
        _says(503, "could not be stored"),
        Finding(
            "The shop's inbox can't be written.", "Run flask paysafer doctor; see the shop's log."
        ),
    ),
    _Rule(
        _status(413),
        Finding(
            "The body is refused as too large.",
            "See PAYSAFER_WEBHOOK_MAX_BYTES and the proxy's limit on request bodies.",
        ),
    ),
    _Rule(
        _status(502, 503, 504),
        Finding("The proxy reaches no shop behind it.", "See the log of the proxy."),
    ),
)

_SHOULD_ACCEPT = (
    _Rule(
        _says(400, "invalid signature"),
        Finding(
            "The shop refuses a right signature: it has the secret of another endpoint or mode, "
            "its clock is wrong, or something on the way drops the PaySafer-Signature header or "
            "changes the body.",
            "See the shop's log for the reason; compare PAYSAFER_WEBHOOK_SECRET and the clock of "
            "the running shop and of this exam.",
        ),
    ),
    _Rule(
        _says(500, "a handler failed"),
        Finding(
            "A handler raised for the exam's event; the shop's log tells which.",
            'Let handlers pass over exams: event.data.metadata.get("paysafer_exam").',
        ),
    ),
    _Rule(
        lambda reply: reply.status == 200,
        Finding(
            "Something answers 200, but not with this extension's answer.",
            "See whether the address is the shop's webhook and no page of the app.",
        ),
    ),
    _Rule(
        lambda reply: reply.status >= 500,
        Finding("The app failed before the event was stored.", "See the shop's log."),
    ),
)

_SHOULD_REFUSE = (
    _Rule(
        lambda reply: 200 <= reply.status < 300,
        Finding(
            "The shop took what it must refuse: anybody can make it believe in a payment.",
            "See that nothing but this extension answers at the address, and that nothing "
            "verifies or rewrites the request before it.",
        ),
    ),
    _Rule(
        lambda reply: reply.status >= 500,
        Finding(
            "The app fails on input that anybody can send.",
            "See the shop's log for what reads the request before this extension does.",
        ),
    ),
)

_UNKNOWN = Finding("The answer is none of this extension's.", "See the shop's log and its proxy's.")
REWRITTEN = Finding(
    "Something reads the body and writes it again before the signature is checked.",
    "Let no middleware or proxy parse and rewrite the webhook's requests.",
)
TOO_OLD = Finding(
    "The shop takes signatures for longer than these settings do: a recorded delivery can be "
    "replayed.",
    "Compare PAYSAFER_WEBHOOK_TOLERANCE and the clock of the running shop and of this exam.",
)
TOO_NEW = Finding(
    "The shop takes signatures that are made for later, or its clock is ahead.",
    "Let a time service (NTP) keep the shop's clock.",
)
TOO_LARGE = Finding(
    "The shop reads more than these settings allow.",
    "Compare PAYSAFER_WEBHOOK_MAX_BYTES of the running shop and of this exam.",
)


def explain(reply: Reply, *, should_accept: bool) -> Finding:
    """Return why the shop may have answered so."""
    rules = _ANY_ANSWER + (_SHOULD_ACCEPT if should_accept else _SHOULD_REFUSE)
    return next((rule.finding for rule in rules if rule.fits(reply)), _UNKNOWN)
