"""What the webhook route can answer, and why it refuses. No Flask here."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

from flask import Blueprint, Flask, Request, Response, request, request_started
from flask.blueprints import BlueprintSetupState
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from .. import signals, signing
from ..config import Config
from ..errors import InboxUnavailableError, InvalidPayloadError, SignatureVerificationError
from ..events import Event
from ..inbox.records import Recorded
from .handlers import tell_observers
from .runner import DispatchResult

RETRY_SECONDS = "60"
"""What ``Retry-After`` asks for: PaySafer's own first retry comes after a minute."""

INVALID_SIGNATURE = "Invalid signature"
"""The one body for all that is not authentic: it tells an attacker nothing."""


class Answer(NamedTuple):
    """An HTTP answer: JSON where the body is a mapping, else plain text."""

    status: int
    body: Mapping[str, object] | str
    headers: Mapping[str, str] = {}


class Refusal(NamedTuple):
    """An answer that refuses a delivery."""

    answer: Answer
    reason: str
    """What is wrong; goes to the log and to ``webhook_rejected``."""
    cure: str = ""
    """What the merchant should look at; goes to the log."""


def received(**more: object) -> Answer:
    """Return the answer that ends PaySafer's retries."""
    return Answer(200, {"received": True, **more})


def come_again(status: int, error: str) -> Answer:
    """Return an answer that asks for this delivery once more, later."""
    return Answer(status, {"error": error}, {"Retry-After": RETRY_SECONDS})


# Where a request may come from, for merchants who know PaySafer's addresses.


def is_allowed(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether ``address`` lies in one of ``networks``; with none set, any does.

    What is no IP address (a Unix socket's peer has none) lies in no network. An IPv4
    address written as IPv6 (``::ffff:203.0.113.5``) counts as what it is.
    """
    if not networks:
        return True
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)


# Notice a reverse proxy that the app has not been told of.


logger = logging.getLogger(__name__)

_seen: WeakSet[Flask] = WeakSet()


def notice_proxy(app: Flask, environ: dict[str, Any]) -> None:
    """Log, once per app, that forwarded headers come in and nothing takes notice of them."""
    is_unheeded = "HTTP_X_FORWARDED_FOR" in environ and "werkzeug.proxy_fix.orig" not in environ
    if is_unheeded and app not in _seen:
        _seen.add(app)
        logger.warning(
            "Deliveries come through a proxy and the app does not use Werkzeug's ProxyFix: it "
            "takes the proxy's address for PaySafer's, and builds http:// links."
        )


def has_unheeded_proxy(app: Flask) -> bool:
    """Whether this process has met such a proxy."""
    return app in _seen


# Let PaySafer's deliveries past Flask-WTF's CSRF protection, and nothing else.
#
# A delivery comes from no browser and carries no cookie, so a CSRF token means
# nothing to it: its signature is what protects it.


def exempt_from_csrf(app: Flask, view: Callable[..., Any]) -> None:
    """Exempt ``view`` if the app has a ``CSRFProtect`` by now.

    Called with each delivery, because the protection may be initialised after this
    extension; it is one entry in a set, so doing it again costs nothing.
    """
    protection = app.extensions.get("csrf")
    if protection is not None and hasattr(protection, "exempt"):
        protection.exempt(view)


# What a request must be before its signature is worth checking.
#
# These checks are cheap and come first, so that an oversized or misdirected
# request costs less than a genuine one. They end with the body's bytes in memory,
# never more than the limit and one.


_READ_BEFORE = (
    "PaySafer delivers the event again. If that ends the same way, a middleware reads the "
    "request's stream before this extension does; let it leave the webhook's requests alone."
)
_NOT_TERMINATED = (
    "Use a server that sets wsgi.input_terminated, such as gunicorn or waitress, or a proxy that "
    "buffers requests."
)


class Admission:
    """The checks of one extension in one app."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._checks = (
            self._check_method,
            self._check_secret,
            self._check_network,
            self._check_type,
            self._check_encoding,
            self._check_body,
        )

    def judge(self, request: Request) -> Refusal | None:
        """Return why the request is not taken, or None.

        After None the whole body is in ``request.get_data()``, for everybody.
        """
        for check in self._checks:
            refusal = check(request)
            if refusal is not None:
                return refusal
        return None

    def _check_method(self, request: Request) -> Refusal | None:
        if request.method == "POST":
            return None
        answer = Answer(405, "Method not allowed", {"Allow": "POST"})
        return Refusal(answer, "the method is not POST", "Deliveries are POST requests.")

    def _check_secret(self, request: Request) -> Refusal | None:
        if self._config.webhook_secrets:
            return None
        setting = self._config.setting("WEBHOOK_SECRET")
        return Refusal(
            come_again(503, "Webhooks are not set up"),
            "no webhook secret is set",
            f"Set {setting} to the endpoint's signing secret (whsec_…).",
        )

    def _check_network(self, request: Request) -> Refusal | None:
        if is_allowed(request.remote_addr, self._config.webhook_allowed_networks):
            return None
        setting = self._config.setting("WEBHOOK_ALLOWED_NETWORKS")
        return Refusal(
            Answer(403, "Forbidden"),
            f"it comes from {request.remote_addr!r:.60}, which is in no allowed network",
            f"Check {setting}. Behind a proxy the address is the proxy's, unless the app uses "
            "Werkzeug's ProxyFix.",
        )

    def _check_type(self, request: Request) -> Refusal | None:
        kind = request.mimetype
        if kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/"):
            answer = Answer(415, "Unsupported media type")
            return Refusal(answer, "the body is a form", "Deliveries are application/json.")
        return None

    def _check_encoding(self, request: Request) -> Refusal | None:
        if not request.headers.get("Content-Encoding"):
            return None
        return Refusal(
            Answer(415, "Unsupported content encoding", {"Accept-Encoding": "identity"}),
            "the body is compressed",
            "Deliveries are signed as they are sent; see whether a proxy compresses requests.",
        )

    def _check_body(self, request: Request) -> Refusal | None:
        limit = self._config.webhook_max_bytes
        if _announced_length(request) > limit:
            return self._too_large()
        # One byte more than the limit: a chunked body names no length, and Werkzeug ends it
        # at the maximum without a word. The app's own MAX_CONTENT_LENGTH is for its forms.
        request.max_content_length = limit + 1
        try:
            body = request.get_data()
        except RequestEntityTooLarge:
            return self._too_large()
        except ClientDisconnected:
            return _incomplete("the body ended before its announced length", _READ_BEFORE)
        except Exception as error:
            logger.debug("Reading a delivery's body failed.", exc_info=True)
            reason = f"the server could not read the body ({type(error).__name__})"
            return _incomplete(reason, "PaySafer delivers the event again.")
        if len(body) > limit:
            return self._too_large()
        return _check_whole(request, body)

    def _too_large(self) -> Refusal:
        return Refusal(
            Answer(413, "Payload too large"),
            f"the body is larger than {self._config.webhook_max_bytes} bytes",
            f"{self._config.setting('WEBHOOK_MAX_BYTES')} sets the limit.",
        )


def _announced_length(request: Request) -> int:
    """Return ``Content-Length`` as it came: Werkzeug hides it where the body is chunked too."""
    announced = request.environ.get("CONTENT_LENGTH", "")[:20]
    return int(announced) if announced.isascii() and announced.isdecimal() else 0


def _check_whole(request: Request, body: bytes) -> Refusal | None:
    length = request.content_length
    if length is not None and len(body) != length:
        return _incomplete(f"{len(body)} of the body's {length} bytes arrived", _READ_BEFORE)
    is_chunked = "Transfer-Encoding" in request.headers
    if not body and is_chunked and "wsgi.input_terminated" not in request.environ:
        return _incomplete("the server hands on no chunked bodies", _NOT_TERMINATED)
    return None


def _incomplete(reason: str, cure: str) -> Refusal:
    return Refusal(Answer(400, INVALID_SIGNATURE), reason, cure)


# What happens to a delivery's bytes: verify, read, store, dispatch.
#
# The order is the point. Nothing is parsed before it is known to be PaySafer's,
# nothing runs before it is stored, and every way to fail leads to an answer that
# makes PaySafer do the right thing: come again, or not.


class EventStore(Protocol):
    """What the intake needs of the inbox."""

    def record(
        self, event: Event, payload: bytes, *, verified_with: str | None, ignored: str | None = None
    ) -> Recorded:
        """Store the event once and say what is known of it."""

    def quarantine(
        self,
        payload: bytes,
        *,
        reason: str,
        event_id: str | None = None,
        verified_with: str | None = None,
    ) -> None:
        """Keep an authentic body aside."""


class EventDispatcher(Protocol):
    """What the intake needs of whoever runs handlers."""

    def wants(self, event: Event) -> bool:
        """Whether anything is to be done about the event."""

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Do it, or see to it that it is done."""


class WebhookIntake:
    """Takes one extension's deliveries in one app.

    :param inbox: Returns the inbox; called with the first authentic delivery, so that
        no database is opened before.
    :param dispatcher: Returns whoever runs the handlers; called as late.
    :param sender: The app, for signals.
    :param watch: Told of each new event before its handlers run; like an observer, it
        can't change the answer.
    """

    def __init__(
        self,
        config: Config,
        inbox: Callable[[], EventStore],
        dispatcher: Callable[[], EventDispatcher],
        sender: Flask,
        *,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self.config = config
        self.sender = sender
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._watch = watch
        self._scheme = signing.get_scheme(config.signature_scheme)
        self._labels = tuple(signing.fingerprint(one) for one in config.webhook_secrets)

    def receive(self, body: bytes, signature: str | None, *, now: float) -> Answer:
        """Return the answer to a delivery of ``body``, after all that it asks for is done.

        :param signature: The signature header as it came.
        :param now: Unix seconds.
        """
        try:
            verified_with = self._verify(body, signature, now)
        except SignatureVerificationError as error:
            return self.refuse(self._not_authentic(error))
        try:
            return self._take(body, verified_with)
        except InboxUnavailableError as error:
            return self._unavailable(error)

    def refuse(self, refusal: Refusal) -> Answer:
        """Log and signal why a delivery is refused, and return the answer."""
        reason = printable(refusal.reason)
        status = refusal.answer.status
        logger.warning("Webhook refused (%d): %s. %s", status, reason, refusal.cure)
        tell_observers(signals.webhook_rejected, self.sender, reason=reason, status=status)
        return refusal.answer

    def _unavailable(self, error: InboxUnavailableError) -> Answer:
        logger.error("A delivery could not be stored (503): %s", printable(str(error)))
        return come_again(503, "The event could not be stored; deliver it again")

    def _verify(self, body: bytes, signature: str | None, now: float) -> str:
        secrets, tolerance = self.config.webhook_secrets, self.config.webhook_tolerance
        index = self._scheme.verify(body, signature, secrets, now=now, tolerance=tolerance)
        return self._labels[index]

    def _not_authentic(self, error: SignatureVerificationError) -> Refusal:
        cure = _CURES.get(error.code or "", "").format(
            header=signing.HEADER,
            secret=self.config.setting("WEBHOOK_SECRET"),
            scheme=self.config.setting("SIGNATURE_SCHEME"),
            tolerance=self.config.setting("WEBHOOK_TOLERANCE"),
        )
        return Refusal(Answer(400, INVALID_SIGNATURE), error.message, cure)

    def _take(self, body: bytes, verified_with: str) -> Answer:
        try:
            event = Event.from_json(body)
            ignored = self._reason_to_ignore(event)
            recorded = self._inbox().record(
                event, body, verified_with=verified_with, ignored=ignored
            )
        except InvalidPayloadError as error:
            return self._set_aside(body, error, verified_with)
        if recorded.is_new and recorded.state == "ignored":
            tell_observers(signals.event_received, self.sender, event=event)
        if recorded.is_new and self._watch is not None:
            self._show(event, self._watch)
        if recorded.conflict:
            return received(quarantined=True)
        return _ANSWERS_BY_STATE.get(recorded.state) or self._dispatch(recorded, event)

    @staticmethod
    def _show(event: Event, watch: Callable[[Event], None]) -> None:
        try:
            watch(event)
        except Exception:
            logger.exception("Event %s could not be noted in its checkout.", event.id)

    def _reason_to_ignore(self, event: Event) -> str | None:
        keys = self.config.livemode
        if keys is not None and event.livemode is not None and keys != event.livemode:
            return f"{_mode(event.livemode)} event, {_mode(keys)} key"
        return None if self._dispatcher().wants(event) else "no handler"

    def _set_aside(self, body: bytes, error: InvalidPayloadError, verified_with: str) -> Answer:
        self._inbox().quarantine(body, reason=printable(str(error)), verified_with=verified_with)
        cure = "The body is kept in quarantine: flask paysafer events list --state quarantined."
        return self.refuse(Refusal(Answer(400, "Invalid payload"), str(error), cure))

    def _dispatch(self, recorded: Recorded, event: Event) -> Answer:
        result = self._dispatcher().dispatch(recorded, event)
        if result == "busy" and self.config.dispatch == "inline":
            return come_again(409, "Another worker is handling this event")
        if result == "failed":
            return Answer(500, {"error": "A handler failed; deliver the event again"})
        return received()


_ANSWERS_BY_STATE: dict[str, Answer] = {
    "done": received(duplicate=True),
    "ignored": received(ignored=True),
    "quarantined": received(quarantined=True),
}
"""What needs no handler any more: a person may still replay what is ignored or set aside."""

_CURES = {
    "signature_missing": (
        "Deliveries carry {header}, made with {secret}; see whether a proxy drops it."
    ),
    "header_malformed": (
        "It is made with {secret}; if PaySafer signs in another form, {scheme} can be set to it."
    ),
    "timestamp_too_old": "Check this machine's clock; {tolerance} sets how old a delivery may be.",
    "timestamp_in_future": (
        "Check this machine's clock; {tolerance} is for old deliveries and allows no later ones."
    ),
    "signature_mismatch": (
        "Check that {secret} is the signing secret of this very endpoint and mode, and that "
        "nothing changes the body on its way."
    ),
    "secret_unusable": "Check {secret}.",
    "check_unusable": "Check {tolerance} and {scheme}.",
}
"""What to look at, by the code of the error."""


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def printable(text: str) -> str:
    """Return ``text`` as one short line, so that nothing can forge a line of the log."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)[
        :300
    ]


# The webhook route: HTTP in, an answer out.
#
# The route answers every method itself and returns responses, never exceptions, so
# no error page, redirect or default of the app stands between PaySafer and the answer.
# Nor does a hook of the app that asks for a login or a token: the signature says who sends.


_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_JUDGED = "flask_paysafer.judged"
_ANSWERED = "flask_paysafer.answered"
_TOO_MANY_REQUESTS = 429
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def add_webhook_routes(blueprint: Blueprint, intake: WebhookIntake) -> None:
    """Add ``POST webhook`` to ``blueprint``, and say at start what is left open."""
    door = WebhookDoor(intake)
    blueprint.add_url_rule(
        "/webhook",
        endpoint="webhook",
        view_func=door.webhook,
        methods=_METHODS,
        provide_automatic_options=False,
        strict_slashes=False,  # both forms are served: PaySafer follows no redirect
    )
    blueprint.record(door.open)
    blueprint.after_request(door.answer_anyway)
    _warn_at_start(intake.config)


class WebhookDoor:
    """The view of one extension in one app, and what it does before other hooks run."""

    def __init__(self, intake: WebhookIntake) -> None:
        self._intake = intake
        self._admission = Admission(intake.config)
        self._endpoint = ""

    def open(self, state: BlueprintSetupState) -> None:
        """Look at this route's requests from the moment they start."""
        self._endpoint = f"{state.name_prefix}.{state.name}.webhook".lstrip(".")
        # A signal, for it comes before every before_request function, whoever registered
        # first; and held weakly, for the app holds the door already.
        request_started.connect(self.prepare, state.app)

    def prepare(self, app: Flask, **_: Any) -> None:
        """Take the body before the merchant's hooks can, and see to Flask-WTF."""
        current = _current_request()
        if current.endpoint == self._endpoint:
            exempt_from_csrf(app, self.webhook)
            notice_proxy(app, current.environ)
            current.environ[_JUDGED] = self._admission.judge(current)

    def webhook(self) -> Response:
        """Answer a delivery."""
        current = _current_request()
        current.environ[_ANSWERED] = True
        refusal = self._judgement(current)
        if refusal is not None:
            return _respond(self._intake.refuse(refusal))
        signature = current.headers.get(signing.HEADER)
        # Whole seconds like the signature's own: the same second is no age at all.
        return _respond(self._intake.receive(current.get_data(), signature, now=int(time.time())))

    def answer_anyway(self, response: Response) -> Response:
        """Answer in place of a hook that kept the view from running, such as a login wall.

        A delivery that is answered with a login page is lost, or comes again in vain. What
        says "not now" stands: PaySafer comes again for it, and may be let in then.
        """
        current = _current_request()
        if current.endpoint != self._endpoint or _ANSWERED in current.environ:
            return response
        if response.status_code == _TOO_MANY_REQUESTS or response.status_code >= 500:
            return response
        logger.info("A hook of the app answered %d in the webhook's place.", response.status_code)
        return self.webhook()

    def _judgement(self, current: Request) -> Refusal | None:
        if _JUDGED not in current.environ:  # the app's request_started is muted
            return self._admission.judge(current)
        refusal: Refusal | None = current.environ[_JUDGED]
        return refusal


def _current_request() -> Request:
    """Return the request itself: every look through Flask's proxy costs a microsecond."""
    found: Request = request._get_current_object()  # type: ignore[attr-defined]  # not in its types
    return found


def _respond(answer: Answer) -> Response:
    is_text = isinstance(answer.body, str)
    return Response(
        answer.body if isinstance(answer.body, str) else json.dumps(answer.body),
        status=answer.status,
        headers={**_HEADERS, **answer.headers},
        mimetype="text/plain" if is_text else "application/json",
    )


def _warn_at_start(config: Config) -> None:
    if not config.webhook_secrets:
        logger.warning(
            "%s is not set: the webhook route answers 503 until it holds the endpoint's signing "
            "secret (whsec_…).",
            config.setting("WEBHOOK_SECRET"),
        )
    if config.signature_scheme == "body":
        logger.warning(
            '%s is "body": the time is not signed, so replays are stopped by the inbox only.',
            config.setting("SIGNATURE_SCHEME"),
        )
