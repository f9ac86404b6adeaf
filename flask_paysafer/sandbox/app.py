"""The sandbox's Flask app: the API, steering, the challenge page and the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from .answers import preflight_headers
from .challenge import challenge_pages
from .dashboard import add_dashboard_routes
from .description import describe
from .failures import ApiError
from .gateway import Gateway
from .reading import MAX_BODY_BYTES
from .routes import ROUTES, Route
from .steering import steering_routes
from .verbs import Verbs


def create_app(verbs: Verbs, public_url: Callable[[], str | None]) -> Flask:
    """Return the app of one sandbox; it keeps nothing beyond what ``verbs`` reach.

    :param public_url: Returns where the sandbox is served, or None.
    """
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # A redirect would turn a POST that a client repeats into a surprise.
    app.url_map.merge_slashes = False
    gateway = Gateway(verbs.engine, public_url)
    for route in ROUTES:
        _add_api_route(app, gateway, route)
    app.register_blueprint(steering_routes(verbs))
    app.register_blueprint(challenge_pages(verbs.engine))
    add_dashboard_routes(app, verbs)
    app.add_url_rule("/openapi.json", "description", lambda: describe())
    app.register_error_handler(HTTPException, lambda error: _refuse(gateway, error))
    return app


def _add_api_route(app: Flask, gateway: Gateway, route: Route) -> None:
    def view(**ids: str) -> ResponseReturnValue:
        return gateway.answer(_this_request(), route, ids)

    app.add_url_rule(
        route.path,
        route.name,
        view,
        methods=[route.method],
        provide_automatic_options=False,
    )
    if route.takes_publishable_key:
        app.add_url_rule(
            route.path,
            f"{route.name}Preflight",
            _preflight,
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )


def _preflight(**_: Any) -> ResponseReturnValue:
    return Response(status=204, headers={**preflight_headers(), "PaySafer-Sandbox": "assumed"})


def _refuse(gateway: Gateway, error: HTTPException) -> ResponseReturnValue:
    if not request.path.startswith("/v1"):
        return error
    answer = gateway.refuse(_this_request(), _as_api_error(error))
    if error.code == 405:
        answer.headers.extend(error.get_headers(request.environ)[1:])
    return answer


def _as_api_error(error: HTTPException) -> ApiError:
    if error.code == 405:
        return ApiError("method_not_allowed", f"{request.method} isn't possible for this URL.")
    if error.code is not None and error.code >= 500:
        return ApiError("internal_error", "The sandbox itself has failed.")
    return ApiError(
        "url_unknown", f"Unrecognized request URL: {request.method} {request.path[:200]}"
    )


def _this_request() -> Request:
    """Return the request itself: its stand-in looks it up anew at every use."""
    this: Request = request._get_current_object()  # type: ignore[attr-defined]  # the stand-in has it
    return this
