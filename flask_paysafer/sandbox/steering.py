"""The routes under ``/_sandbox``: the verbs, over HTTP, for this machine only."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from .failures import ApiError, invalid
from .faults import ARM_FAULT
from .fields import Number, Record, Text
from .loopback import require_loopback
from .reading import read_body, read_json
from .triggers import TRIGGER, event_of
from .verbs import Verbs

EVENTS_HEADER = "PaySafer-Sandbox-Events"
"""Names everything that a trigger made, in order: a refund's payment comes with it."""

_ADVANCE = Record({"seconds": Number(float("inf")), "to": Text(100)})
_SEED = Record({"account": Text(255)})


def steering_routes(verbs: Verbs) -> Blueprint:
    """Return the routes; each does what the method of the same name does."""
    routes = Blueprint("steering", __name__, url_prefix="/_sandbox")
    routes.before_request(lambda: require_loopback(request))
    routes.register_error_handler(ApiError, _failure)
    _add_clock_and_settings(routes, verbs)
    _add_faults(routes, verbs)
    _add_lists(routes, verbs)
    _add_happenings(routes, verbs)
    return routes


def _failure(error: ApiError) -> ResponseReturnValue:
    return error.body(), error.status


def _given(expected: Record | None = None) -> dict[str, Any]:
    given = read_json(read_body(request))
    if not isinstance(given, dict):
        raise invalid("body", "must be a JSON object.")
    return expected.check(given) if expected else given


def _add_clock_and_settings(routes: Blueprint, verbs: Verbs) -> None:
    @routes.get("/clock")
    def clock() -> ResponseReturnValue:
        return verbs.clock()

    @routes.post("/clock/advance")
    def advance() -> ResponseReturnValue:
        return verbs.advance(**_given(_ADVANCE))

    @routes.get("/settings")
    def settings() -> ResponseReturnValue:
        return verbs.settings()

    @routes.post("/settings")
    def change_settings() -> ResponseReturnValue:
        return verbs.engine.change_settings(_given())


def _add_faults(routes: Blueprint, verbs: Verbs) -> None:
    @routes.get("/faults")
    def faults() -> ResponseReturnValue:
        return jsonify(verbs.faults())

    @routes.post("/faults")
    def fault() -> ResponseReturnValue:
        return verbs.fault(**_given(ARM_FAULT))

    @routes.delete("/faults")
    def clear_faults() -> ResponseReturnValue:
        verbs.clear_faults()
        return jsonify([])


def _add_lists(routes: Blueprint, verbs: Verbs) -> None:
    @routes.get("/events")
    def events() -> ResponseReturnValue:
        return jsonify(verbs.events())

    @routes.get("/deliveries")
    def deliveries() -> ResponseReturnValue:
        return jsonify(verbs.deliveries())

    @routes.get("/requests")
    def requests() -> ResponseReturnValue:
        return jsonify(verbs.requests())

    @routes.get("/objects/<kind>")
    def objects(kind: str) -> ResponseReturnValue:
        return jsonify(verbs.objects(kind))


def _add_happenings(routes: Blueprint, verbs: Verbs) -> None:
    @routes.post("/trigger")
    def trigger() -> ResponseReturnValue:
        order = _given(TRIGGER)
        made = verbs.happen(**order)
        names = " ".join(event["id"] for event in made)
        return event_of(order["type"], made), {EVENTS_HEADER: names}

    @routes.post("/deliveries/<delivery>/resend")
    def resend(delivery: str) -> ResponseReturnValue:
        return verbs.resend(delivery)

    @routes.post("/reset")
    def reset() -> ResponseReturnValue:
        verbs.reset()
        return {"reset": True}

    @routes.post("/seed")
    def seed() -> ResponseReturnValue:
        return verbs.seed(**_given(_SEED))
