"""The webhook route: HTTP in, an answer out.

The route answers every method itself and returns responses, never exceptions, so
no error page, redirect or default of the app stands between PaySafer and the answer.
"""

from __future__ import annotations

import json
import logging
import time
from typing import Any

from flask import Blueprint, Flask, Response, request, request_started
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
        if request.endpoint == self._endpoint:
            exempt_from_csrf(app, self.webhook)
            notice_proxy(app, request.environ)
            request.environ[_JUDGED] = self._admission.judge(request)

    def webhook(self) -> Response:
        """Answer a delivery."""
        refusal = self._judgement()
        if refusal is not None:
            return _respond(self._intake.refuse(refusal))
        signature = request.headers.get(signing.HEADER)
        # Whole seconds like the signature's own: the same second is no age at all.
        return _respond(self._intake.receive(request.get_data(), signature, now=int(time.time())))

    def _judgement(self) -> Refusal | None:
        if _JUDGED not in request.environ:  # the app's request_started is muted
            return self._admission.judge(request)
        refusal: Refusal | None = request.environ[_JUDGED]
        return refusal


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
