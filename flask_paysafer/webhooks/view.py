"""The webhook route: validate the request, verify the signature, store the event, run handlers.

The order matters. Nothing is parsed before it is known to be PaySafer's, nothing runs
before it is stored, and each failure leads to an answer that makes PaySafer do the right
thing: retry, or stop.

The view answers every method itself and returns responses, never exceptions, so no error
page, redirect or default of the app replaces the answer. Neither does a hook that asks for
a login or a token: the signature authenticates the sender.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from flask import Blueprint, Flask, Request, Response, request, request_started
from flask.blueprints import BlueprintSetupState
from werkzeug.datastructures import Headers

from .. import signals, signing
from ..config import Config
from ..errors import InboxUnavailableError, InvalidPayloadError, SignatureVerificationError
from ..events import LOCAL_ID, Event, is_local_type
from ..inbox.records import Recorded
from .handlers import send_robust
from .validation import (
    INVALID_SIGNATURE,
    Answer,
    Rejection,
    RequestValidator,
    received,
    retry_later,
)
from .verification import read_event

if TYPE_CHECKING:
    from ..state import AppState

logger = logging.getLogger(__name__)

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
_REJECTION = "flask_paysafer.rejection"
_ANSWERED = "flask_paysafer.answered"
_TOO_MANY_REQUESTS = 429
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

_ANSWERS_BY_STATE: dict[str, Answer] = {
    "done": received(duplicate=True),
    "pruned": received(duplicate=True),
    "ignored": received(ignored=True),
    "quarantined": received(quarantined=True),
}
"""For events that need no handler any more; an operator may still replay some of them."""

_HINTS = {
    "signature_missing": (
        "Deliveries carry {header}, made with {secret}; check whether a proxy drops it."
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
"""Where to look, by the error's code."""


def add_webhook_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add ``POST webhook`` to ``blueprint`` and log, at start, any protection that is off."""
    view = WebhookView(state)
    blueprint.add_url_rule(
        "/webhook",
        endpoint="webhook",
        view_func=view.webhook,
        methods=_METHODS,
        provide_automatic_options=False,
        strict_slashes=False,  # both forms are served: PaySafer follows no redirect
    )
    blueprint.record(view.connect)
    blueprint.after_request(view.answer_anyway)
    _warn_at_start(state.config)


class WebhookView:
    """The webhook view of one extension in one app.

    :param state: The inbox and the dispatcher are taken from it with the first authentic
        delivery, so that no database is opened before.
    """

    def __init__(self, state: AppState) -> None:
        self._state = state
        self._config = state.config
        self._app = state.app
        self._validator = RequestValidator(state.config)
        profile = state.config.delivery_profile
        self._profile = profile
        self._signature_header = profile.headers.signature
        self._tolerance = profile.covering(state.config.webhook_tolerance)
        self._scheme = signing.get_scheme(state.config.signature_scheme, profile)
        self._labels = tuple(signing.fingerprint(one) for one in state.config.webhook_secrets)
        self._endpoint = ""

    def connect(self, setup: BlueprintSetupState) -> None:
        """Prepare this route's requests from the moment they start."""
        self._endpoint = f"{setup.name_prefix}.{setup.name}.webhook".lstrip(".")
        # A signal, for it comes before every before_request function, whichever was registered
        # first; and held weakly, for the app holds the view already.
        request_started.connect(self.prepare, setup.app)

    def prepare(self, app: Flask, **_: Any) -> None:
        """Read the body before the merchant's hooks can, and pass Flask-WTF's protection."""
        current = _current_request()
        if current.endpoint == self._endpoint:
            _exempt_from_csrf(app, self.webhook)
            _notice_proxy(app, current.environ)
            current.environ[_REJECTION] = self._validator.validate(current)

    def webhook(self) -> Response:
        """Answer a delivery."""
        current = _current_request()
        current.environ[_ANSWERED] = True
        rejection = self._rejection_of(current)
        if rejection is not None:
            return _respond(self.reject(rejection))
        # Whole seconds like the signature's own: the same second is no age at all.
        answer = self.receive(current.get_data(), current.headers, now=int(time.time()))
        return _respond(answer)

    def answer_anyway(self, response: Response) -> Response:
        """Run the view if a ``before_request`` hook, such as a login wall, answered instead.

        Otherwise PaySafer would retry a delivery that is answered with a login page each
        time. 429 and 5xx are left alone: PaySafer retries those.
        """
        current = _current_request()
        if current.endpoint != self._endpoint or _ANSWERED in current.environ:
            return response
        if response.status_code == _TOO_MANY_REQUESTS or response.status_code >= 500:
            return response
        logger.info("A hook of the app answered %d in the webhook's place.", response.status_code)
        return self.webhook()

    def _rejection_of(self, current: Request) -> Rejection | None:
        if _REJECTION not in current.environ:  # the app's request_started is muted
            return self._validator.validate(current)
        rejection: Rejection | None = current.environ[_REJECTION]
        return rejection

    def receive(self, body: bytes, headers: Headers | Mapping[str, str], *, now: float) -> Answer:
        """Verify, store and dispatch a delivery of ``body``; return the answer.

        :param headers: The request's.
        :param now: Unix seconds.
        """
        try:
            verified_with = self._verify(body, headers, now)
        except SignatureVerificationError as error:
            return self.reject(self._not_authentic(error))
        try:
            return self._ingest(body, headers, verified_with)
        except InboxUnavailableError as error:
            return self._unavailable(error)

    def reject(self, rejection: Rejection) -> Answer:
        """Log and signal why a delivery is rejected, and return the answer."""
        reason = printable(rejection.reason)
        status = rejection.answer.status
        logger.warning("Webhook refused (%d): %s. %s", status, reason, rejection.hint)
        send_robust(signals.webhook_rejected, self._app, reason=reason, status=status)
        return rejection.answer

    def _unavailable(self, error: InboxUnavailableError) -> Answer:
        logger.error("A delivery could not be stored (503): %s", printable(str(error)))
        return retry_later(503, "The event could not be stored; deliver it again")

    def _verify(self, body: bytes, headers: Headers | Mapping[str, str], now: float) -> str:
        index = self._scheme.verify(
            body,
            headers.get(self._signature_header),
            self._config.webhook_secrets,
            now=now,
            tolerance=self._tolerance,
            headers=headers,
        )
        return self._labels[index]

    def _not_authentic(self, error: SignatureVerificationError) -> Rejection:
        hint = _HINTS.get(error.code or "", "").format(
            header=self._signature_header,
            secret=self._config.setting("WEBHOOK_SECRET"),
            scheme=self._config.setting("SIGNATURE_SCHEME"),
            tolerance=self._config.setting("WEBHOOK_TOLERANCE"),
        )
        return Rejection(Answer(400, INVALID_SIGNATURE), error.message, hint)

    def _ingest(
        self, body: bytes, headers: Headers | Mapping[str, str], verified_with: str
    ) -> Answer:
        try:
            event = read_event(body, self._profile, self._scheme.message_id(headers))
            ignored = self._reason_to_ignore(event)
            recorded = self._state.inbox.record(
                event, body, verified_with=verified_with, ignored=ignored
            )
        except InvalidPayloadError as error:
            return self._quarantine(body, error, verified_with)
        if recorded.is_new:
            self._announce(recorded, event)
        if _is_local(event):
            return received(ignored=True)
        answer = _ANSWERS_BY_STATE.get(recorded.state)
        if answer is None:  # also after a conflict: the stored event is tried again
            return self._dispatch(recorded, event)
        return received(quarantined=True) if recorded.conflict else answer

    def _announce(self, recorded: Recorded, event: Event) -> None:
        if recorded.state == "ignored":
            send_robust(signals.event_received, self._app, event=event)
        try:
            self._state.on_stored(event)
        except Exception:
            logger.exception("Event %s could not be noted in its checkout.", event.id)

    def _reason_to_ignore(self, event: Event) -> str | None:
        if _is_local(event):
            return "local events are written here and never received"
        keys = self._config.livemode
        if keys is not None and event.livemode is not None and keys != event.livemode:
            return f"{_mode(event.livemode)} event, {_mode(keys)} key"
        return None if self._state.dispatcher.wants(event) else "no handler"

    def _quarantine(self, body: bytes, error: InvalidPayloadError, verified_with: str) -> Answer:
        reason = printable(str(error))
        self._state.inbox.quarantine(body, reason=reason, verified_with=verified_with)
        hint = "The body is kept in quarantine: flask paysafer events list --state quarantined."
        return self.reject(Rejection(Answer(400, "Invalid payload"), str(error), hint))

    def _dispatch(self, recorded: Recorded, event: Event) -> Answer:
        result = self._state.dispatcher.dispatch(recorded, event)
        if result == "busy" and self._config.dispatch == "inline":
            return retry_later(409, "Another worker is handling this event")
        if result == "failed":
            return Answer(500, {"error": "A handler failed; deliver the event again"})
        return received()


def _is_local(event: Event) -> bool:
    """Whether an event claims to be one of those that this extension writes itself."""
    return is_local_type(event.type) or event.id.startswith(LOCAL_ID)


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def printable(text: str) -> str:
    """Return ``text`` as one short line, so that it can't forge a line of the log."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)[
        :300
    ]


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


def _exempt_from_csrf(app: Flask, view: Any) -> None:
    """Exempt ``view`` if the app has Flask-WTF's ``CSRFProtect``.

    A delivery comes from no browser and carries no cookie: its signature protects it.
    Called with each delivery, because the protection may be initialised after this
    extension; it is one entry in a set, so repeating it costs nothing.
    """
    protection = app.extensions.get("csrf")
    if protection is not None and hasattr(protection, "exempt"):
        protection.exempt(view)


_behind_proxy: WeakSet[Flask] = WeakSet()


def _notice_proxy(app: Flask, environ: dict[str, Any]) -> None:
    """Log, once per app, that forwarded headers come in and the app ignores them."""
    is_unheeded = "HTTP_X_FORWARDED_FOR" in environ and "werkzeug.proxy_fix.orig" not in environ
    if is_unheeded and app not in _behind_proxy:
        _behind_proxy.add(app)
        logger.warning(
            "Deliveries come through a proxy and the app does not use Werkzeug's ProxyFix: it "
            "takes the proxy's address for PaySafer's, and builds http:// links."
        )


def has_unheeded_proxy(app: Flask) -> bool:
    """Whether this process has seen forwarded headers that the app ignores."""
    return app in _behind_proxy


def _warn_at_start(config: Config) -> None:
    if not config.webhook_secrets:
        logger.warning(
            "%s is not set: the webhook route answers 503 until it holds the endpoint's signing "
            "secret (whsec_…).",
            config.setting("WEBHOOK_SECRET"),
        )
    if config.signature_scheme in ("body", "body-base64"):
        logger.warning(
            "The signature scheme is %r: the time is not signed, so replays are stopped by the "
            "inbox only.",
            config.signature_scheme,
        )
    if not config.profile.webhooks.resigned_on_retry:
        logger.warning(
            "webhooks.resigned_on_retry is false: a delivery is taken up to 35 hours after it was "
            "signed, so a copy of it is refused by its event's id only."
        )
