"""The dashboard's page, its files, and the JSON it asks for; for this machine only.

The page needs nothing from elsewhere: no script, style, font or image of
another origin, none inline, and its ``Content-Security-Policy`` says so.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from ..failures import ApiError
from ..loopback import require_loopback
from ..reading import read_body, read_json
from ..verbs import Verbs
from . import actions, copies
from .details import detail
from .lists import KINDS, counts, listing

_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def add_dashboard_routes(app: Flask, verbs: Verbs) -> None:
    """Add the page at ``/``, its files, and its routes under ``/_sandbox/dashboard``."""
    pages = Blueprint(
        "dashboard",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/dashboard",
    )
    pages.before_request(lambda: require_loopback(request))
    pages.after_request(_protect)
    pages.register_error_handler(ApiError, lambda error: (error.body(), error.status))
    pages.add_url_rule("/", "page", lambda: render_template("dashboard.html", kinds=KINDS))
    _add_feed(pages, verbs)
    _add_copies(pages, verbs)
    actions.add_routes(pages, verbs.engine, lambda: read_json(read_body(request)))
    app.register_blueprint(pages)


def _protect(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    # Files too: a browser must not show yesterday's script with today's sandbox.
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _add_feed(pages: Blueprint, verbs: Verbs) -> None:
    @pages.get("/_sandbox/dashboard/feed")
    def feed() -> ResponseReturnValue:
        """Return what the page shows: one list, perhaps one object, and the state of things."""
        kind = request.args.get("kind", "payment")
        chosen = request.args.get("id")
        engine = verbs.engine
        with engine.ledger.changed:
            state: dict[str, Any] = {
                "counts": counts(engine),
                "list": listing(engine, kind, request.args.get("q", "")),
                "detail": detail(engine, chosen) if chosen else None,
                "faults": engine.faults.listed(),
                "settings": verbs.settings(),
                "accounts": [realm._asdict() for realm in engine.ledger.realms()],
                "next_delivery": engine.deliveries.next_due(),
            }
            clock = verbs.clock()
        return _unless_known(state, clock)


def _unless_known(state: dict[str, Any], clock: dict[str, float]) -> Response:
    """Answer 304 while all is as the page knows it, the clock's ticking aside."""
    # Where a running clock began: it changes when the clock is moved, not when it ticks.
    origin = round(clock["now"] - clock["rate"] * time.monotonic(), -1)
    text = json.dumps(state)
    answer = jsonify({**state, "clock": clock})
    answer.set_etag(hashlib.sha256(f"{origin}{text}".encode()).hexdigest())
    return answer.make_conditional(request)  # type: ignore[return-value]  # it returns self


def _add_copies(pages: Blueprint, verbs: Verbs) -> None:
    @pages.get("/_sandbox/dashboard/copy/<name>.<any(py, sh):form>")
    def copy(name: str, form: str) -> ResponseReturnValue:
        """Return a request, a delivery or the whole session as a test, or as a command."""
        text = copies.as_text(verbs.engine, name, form, base=request.host_url.rstrip("/"))
        return Response(text, mimetype="text/plain")
