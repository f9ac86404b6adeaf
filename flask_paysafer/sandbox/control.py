"""The control API: everything that can be done to a sandbox from outside, in Python and over HTTP.

The routes under ``/_sandbox`` answer on this machine only. A page of another site can make a
browser send requests here, and can even make its own name lead here; so the address, ``Host``
and ``Origin`` must all be loopback.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Request, abort, jsonify, request
from flask.typing import ResponseReturnValue

from .engine import Engine
from .errors import ApiError, invalid
from .faults import ARM_FAULT
from .fields import Number, Record, Text
from .pipeline import read_body, read_json
from .resources import register_endpoint
from .scenarios import TRIGGER, authenticate, event_of, seed, tenant_named, trigger_event
from .sender import is_loopback
from .store import shown


def require_loopback(request: Request) -> None:
    """Return quietly for a request from this machine's own user.

    :raises werkzeug.exceptions.Forbidden: for any other.
    """
    origin = request.headers.get("Origin")
    if not (
        _comes_from_here(request)
        and names_loopback(request.host)
        and (origin is None or origin.lower() == f"{request.scheme}://{request.host}".lower())
    ):
        abort(403)


def _comes_from_here(request: Request) -> bool:
    """No address at all: no server is between, so it is this very process that asks."""
    return "REMOTE_ADDR" not in request.environ or is_loopback(request.remote_addr or "")


def names_loopback(host: str) -> bool:
    """Tell whether a ``Host`` header names this machine."""
    return is_loopback(host_name(host))


def host_name(host: str) -> str:
    """Return the name or address of a ``Host`` header, without the port; ``""`` if it has none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


TEST_ACCOUNT = "acmeshop1"
"""Whose client a copied test has."""
OBJECTS = (
    "payment",
    "customer",
    "payment_method",
    "webhook_endpoint",
    "token",
    "dispute",
    "payout",
)
"""The kinds of objects that can be listed across accounts."""
NEXT_RETRY = "next-retry"
_STEP = Number(10 * 366 * 24 * 3600)


class Control:
    """Controls a sandbox. Every method returns plain JSON values."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def clock(self) -> dict[str, float]:
        """Return ``{"now": unix seconds, "rate": n}`` of the virtual clock."""
        return self.engine.time()

    def advance(self, seconds: float | None = None, *, to: str | None = None) -> dict[str, float]:
        """Move the clock on, and return it once everything due on the way was delivered.

        :param seconds: How far, in virtual seconds.
        :param to: ``"next-retry"`` instead: to the next delivery that waits.
        :raises ApiError: 400 if both or neither are given.
        """
        if (seconds is None) == (to is None):
            raise ApiError(
                "parameter_missing", 'Give either seconds or to="next-retry".', param="seconds"
            )
        if seconds is not None:
            self.engine.advance(_STEP.check(seconds, "seconds"))
        elif to == NEXT_RETRY:
            self.engine.advance_to_next_retry()
        else:
            raise invalid("to", f"must be {NEXT_RETRY}.")
        return self.clock()

    def fault(
        self,
        kind: str,
        *,
        method: str | None = None,
        path: str | None = None,
        times: int | None = None,
        seconds: float | None = None,
    ) -> dict[str, Any]:
        """Arm a fault and return it.

        :param kind: See the table of faults in the docs, such as ``"lost-answer"``.
        :param method: Only requests with this method.
        :param path: Only requests to this path, ``/v1`` included; ``*`` matches anything.
        :param times: How many requests it meets; once by default.
        :param seconds: How long ``delay`` and ``drip`` take, in real seconds; 3 by default.
        :raises ApiError: 400 for an unknown kind or a value of the wrong type.
        """
        given = _given_only(kind=kind, method=method, path=path, times=times, seconds=seconds)
        with self.engine.store.changed:
            return self.engine.faults.arm(given).shown()

    def faults(self) -> list[dict[str, Any]]:
        """Return the faults that still wait."""
        with self.engine.store.changed:
            return self.engine.faults.listed()

    def clear_faults(self) -> None:
        """Disarm every fault."""
        with self.engine.store.changed:
            self.engine.faults.clear()

    def trigger(
        self,
        type: str,  # noqa: A002 (the event's field)
        *,
        account: str | None = None,
        mode: str | None = None,
        payment: str | None = None,
        amount: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Make an event happen through the state machine, and return it.

        :param type: One of the ten documented types, or a future one.
        :param account: What follows ``sk_test_`` in the key; may be left out where there is one.
        :param mode: ``"test"`` (the default) or ``"live"``.
        :param payment: The payment that it happens to; a new one by default.
        :param amount: Minor units.
        :param data: Fields of the event's object, such as ``{"outcome": "lost"}``.
        :raises ApiError: for what the state machine forbids, and unknown fields.
        """
        given = {"payment": payment, "amount": amount, "data": data}
        made = self.trigger_all(type, account=account, mode=mode, **given)
        return event_of(type, made)

    def trigger_all(self, type: str, **options: Any) -> list[dict[str, Any]]:  # noqa: A002 (as above)
        """Make an event happen, and return all events that came of it, in order.

        A refund needs a payment: if none is named, two other events come before it.

        :param options: As :meth:`trigger` takes them.
        """
        given = _given_only(type=type, **options)
        made = trigger_event(self.engine, given)
        shared = {name: given[name] for name in ("payment", "amount", "data") if name in given}
        about = event_of(type, made)["data"].get("id")
        self.engine.log_step(
            "paysafer_sandbox.trigger", type, made=about, account=TEST_ACCOUNT, **shared
        )
        return made

    def authenticate(self, payment: str, *, passed: bool = True) -> dict[str, Any]:
        """Answer for the cardholder of a payment in ``requires_action``, and return the payment.

        :param passed: False: the cardholder refuses.
        :raises ApiError: 404 for an unknown payment, 422 for one that waits for nobody.
        """
        with self.engine.store.transaction():
            account, row = self.engine.find_payment(payment)
            return shown(authenticate(self.engine, account, row, passed=passed))

    def events(self) -> list[dict[str, Any]]:
        """Return all events of all accounts, whole as they are delivered, oldest first."""
        with self.engine.store.changed:
            return [shown(row) for _, row in self.engine.store.rows("event")]

    def deliveries(self) -> list[dict[str, Any]]:
        """Return all deliveries with their attempts, oldest first."""
        return self._listed("delivery")

    def requests(self) -> list[dict[str, Any]]:
        """Return the latest requests to the API and their answers, oldest first."""
        return self.engine.log.listed()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind (such as ``"payment"``), oldest first.

        :raises ApiError: 404 for another kind.
        """
        if kind not in OBJECTS:
            raise ApiError("resource_missing", f"No such kind: {kind[:100]}")
        return self._listed(kind)

    def _listed(self, kind: str) -> list[dict[str, Any]]:
        with self.engine.store.changed:
            self.engine.authorisations.expire(self.engine.clock.now())
            rows = self.engine.store.rows(kind)
        return [
            {**shown(row), "account": tenant.account, "mode": tenant.mode} for tenant, row in rows
        ]

    def resend(self, delivery: str) -> dict[str, Any]:
        """Deliver once more, now, and return the delivery after it.

        :raises ApiError: 404 for an unknown id.
        """
        return self.engine.deliveries.resend(delivery)

    def settings(
        self,
        *,
        idempotency: str | None = None,
        strict: bool | None = None,
        clock_rate: float | None = None,
        sign_with: str | None = None,
    ) -> dict[str, Any]:
        """Change what is given, and return all settings.

        :param idempotency: ``"replay"`` or ``"strict"``.
        :param strict: Whether calls that PaySafer does not document are refused.
        :param clock_rate: Virtual seconds per real second; 0 stops the clock.
        :param sign_with: The time in signatures: ``"auto"``, ``"virtual"`` or ``"wall"``.
        :raises ApiError: 400 for a value that is not one of these.
        """
        return self.engine.change_settings(
            _given_only(
                idempotency=idempotency, strict=strict, clock_rate=clock_rate, sign_with=sign_with
            )
        )

    def register(self, url: str, account: str = "acmeshop1") -> dict[str, Any]:
        """Send the account's test events to ``url`` and return the endpoint with its secret.

        An endpoint that was registered for the address before stays the one.

        :raises ApiError: 400 for an address that nothing may be sent to.
        """
        with self.engine.store.transaction():
            return register_endpoint(self.engine.account(tenant_named(account)), url)

    def reset(self) -> None:
        """Empty the sandbox; settings and the clock stay."""
        self.engine.reset()

    def seed(self, account: str = "acmeshop1") -> dict[str, Any]:
        """Fill an account's test side with a small shop's history.

        :return: The account, its keys and how many objects it has now.
        """
        seeded = seed(self.engine, account)
        self.engine.log_step("paysafer_sandbox.seed")
        return seeded


EVENTS_HEADER = "PaySafer-Sandbox-Events"
"""Names everything that a trigger made, in options: a refund's payment comes with it."""

_ADVANCE = Record({"seconds": Number(float("inf")), "to": Text(100)})
_SEED = Record({"account": Text(255)})


def _given_only(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def control_routes(control: Control) -> Blueprint:
    """Return the routes; each does what the method of the same name does."""
    routes = Blueprint("control", __name__, url_prefix="/_sandbox")
    routes.before_request(lambda: require_loopback(request))
    routes.register_error_handler(ApiError, _failure)
    _add_clock_and_settings(routes, control)
    _add_faults(routes, control)
    _add_lists(routes, control)
    _add_actions(routes, control)
    return routes


def _failure(error: ApiError) -> ResponseReturnValue:
    return error.body(), error.status


def _given(expected: Record | None = None) -> dict[str, Any]:
    given = read_json(read_body(request))
    if not isinstance(given, dict):
        raise invalid("body", "must be a JSON object.")
    return expected.check(given) if expected else given


def _add_clock_and_settings(routes: Blueprint, control: Control) -> None:
    @routes.get("/clock")
    def clock() -> ResponseReturnValue:
        return control.clock()

    @routes.post("/clock/advance")
    def advance() -> ResponseReturnValue:
        return control.advance(**_given(_ADVANCE))

    @routes.get("/settings")
    def settings() -> ResponseReturnValue:
        return control.settings()

    @routes.post("/settings")
    def change_settings() -> ResponseReturnValue:
        return control.engine.change_settings(_given())


def _add_faults(routes: Blueprint, control: Control) -> None:
    @routes.get("/faults")
    def faults() -> ResponseReturnValue:
        return jsonify(control.faults())

    @routes.post("/faults")
    def fault() -> ResponseReturnValue:
        return control.fault(**_given(ARM_FAULT))

    @routes.delete("/faults")
    def clear_faults() -> ResponseReturnValue:
        control.clear_faults()
        return jsonify([])


def _add_lists(routes: Blueprint, control: Control) -> None:
    @routes.get("/events")
    def events() -> ResponseReturnValue:
        return jsonify(control.events())

    @routes.get("/deliveries")
    def deliveries() -> ResponseReturnValue:
        return jsonify(control.deliveries())

    @routes.get("/requests")
    def requests() -> ResponseReturnValue:
        return jsonify(control.requests())

    @routes.get("/objects/<kind>")
    def objects(kind: str) -> ResponseReturnValue:
        return jsonify(control.objects(kind))


def _add_actions(routes: Blueprint, control: Control) -> None:
    @routes.post("/trigger")
    def trigger() -> ResponseReturnValue:
        given = _given(TRIGGER)
        made = control.trigger_all(**given)
        names = " ".join(event["id"] for event in made)
        return event_of(given["type"], made), {EVENTS_HEADER: names}

    @routes.post("/deliveries/<delivery>/resend")
    def resend(delivery: str) -> ResponseReturnValue:
        return control.resend(delivery)

    @routes.post("/reset")
    def reset() -> ResponseReturnValue:
        control.reset()
        return {"reset": True}

    @routes.post("/seed")
    def seed() -> ResponseReturnValue:
        return control.seed(**_given(_SEED))
