"""The webhook route: HTTP in, an answer out.

The route answers every method itself and returns responses, never exceptions, so
no error page, redirect or default of the app stands between PaySafer and the answer.
Nor does a hook of the app that asks for a login or a token: the signature says who sends.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from flask import Blueprint, Flask, Request, Response, request, request_started
from flask.blueprints import BlueprintSetupState

from .. import signing
from ..config import Config
from .admission import Admission
from .answers import Answer, Refusal
from .csrf import exempt_from_csrf
from .intake import WebhookIntake
from .proxies import notice_proxy

logger = logging.getLogger(__name__)

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
