"""The dashboard: its page, its data, and the actions that the control API has no route for.

They go to the state machine itself, not through the API: a click counts against
no rate limit, meets no armed fault, and stands in no request log.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Flask, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from ...money import CURRENCIES, Money
from ..control import TEST_ACCOUNT, Control, require_loopback
from ..engine import Engine
from ..errors import ApiError, invalid
from ..fields import CANCEL_PAYMENT, CAPTURE_PAYMENT, CREATE_ENDPOINT, REFUND_PAYMENT, Record, Text
from ..payments import cancel_payment, capture_payment, refund_payment
from ..pipeline import read_body, read_json
from ..resources import Account, Result, create_endpoint, delete_endpoint
from ..scenarios import TRIGGER
from ..store import Tenant, is_account
from .copies import as_text
from .lists import FILTERS, KINDS, counts, detail, find, listing

_CHANGES: dict[str, tuple[Record, Callable[[Account, str, dict[str, Any]], Result]]] = {
    "capture": (CAPTURE_PAYMENT, capture_payment),
    "cancel": (CANCEL_PAYMENT, cancel_payment),
    "refund": (REFUND_PAYMENT, refund_payment),
}
_ENDPOINT = Record({**CREATE_ENDPOINT.fields, "account": Text(255)}, required=("url", "account"))


def _add_actions(pages: Blueprint, control: Control) -> None:
    engine = control.engine

    def read() -> Any:
        return read_json(read_body(request))

    @pages.post("/_sandbox/dashboard/trigger")
    def trigger() -> ResponseReturnValue:
        return _trigger(control, read())

    @pages.post("/_sandbox/dashboard/payments/<row_id>/<any(capture, cancel, refund):verb>")
    def change_payment(row_id: str, verb: str) -> ResponseReturnValue:
        return _change(engine, row_id, verb, read())

    @pages.post("/_sandbox/dashboard/endpoints")
    def add_endpoint() -> ResponseReturnValue:
        return _add_endpoint(engine, _ENDPOINT.check(read()))

    @pages.delete("/_sandbox/dashboard/endpoints/<row_id>")
    def remove_endpoint(row_id: str) -> ResponseReturnValue:
        with engine.store.transaction():
            tenant = _tenant_of(engine, "webhook_endpoint", row_id)
            return delete_endpoint(engine.account(tenant), row_id).body


def _change(engine: Engine, row_id: str, verb: str, given: Any) -> dict[str, Any]:
    fields, operation = _CHANGES[verb]
    with engine.store.transaction():
        account = engine.account(_tenant_of(engine, "payment", row_id))
        payment = account.find("payment", row_id)
        checked = fields.check(_in_minor_units(given, payment["currency"]))
        answer = operation(account, row_id, checked).body
    engine.log_step(f"paysafer_client.payments.{verb}", row_id, **checked)
    return answer


def _in_minor_units(given: Any, currency: str) -> Any:
    """Return a request whose amount was written as people write it, such as "12.50"."""
    if not isinstance(given, dict) or not isinstance(given.get("amount"), str):
        return given
    try:
        amount = Money.from_decimal(given["amount"].strip().replace(",", ""), currency).amount
    except ValueError:
        raise invalid(
            "amount", f"write it like {Money(1250, currency)}, without the currency."
        ) from None
    return {**given, "amount": amount}


def _trigger(control: Control, given: Any) -> dict[str, Any]:
    engine = control.engine
    currency = "aed"
    if isinstance(given, dict):
        found = find(engine, str(given.get("payment")))
        data = given.get("data")
        if found is not None:
            currency = found[2].get("currency", currency)
        elif isinstance(data, dict) and data.get("currency") in CURRENCIES:
            currency = data["currency"]
    return control.trigger(**TRIGGER.check(_in_minor_units(given, currency)))


def _tenant_of(engine: Engine, kind: str, row_id: str) -> Tenant:
    found = find(engine, row_id)
    if found is None or found[0] != kind:
        raise ApiError("resource_missing", f"No such {kind}: {row_id[:100]}", param="id")
    return found[1]


def _add_endpoint(engine: Engine, given: dict[str, Any]) -> dict[str, Any]:
    name = given.pop("account")
    if not is_account(name):
        raise invalid("account", "must be what follows sk_test_ in the key, 8 characters or more.")
    with engine.store.transaction():
        return create_endpoint(engine.account(Tenant(name, "test")), given).body


_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"


def add_dashboard_routes(app: Flask, control: Control) -> None:
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
    _add_feed(pages, control)
    _add_copies(pages, control)
    _add_actions(pages, control)
    app.register_blueprint(pages)


def _protect(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = _POLICY
    answer.headers["X-Content-Type-Options"] = "nosniff"
    answer.headers["Referrer-Policy"] = "no-referrer"
    # Files too: a browser must not show yesterday's script with today's sandbox.
    answer.headers["Cache-Control"] = "no-cache"
    return answer


def _add_feed(pages: Blueprint, control: Control) -> None:
    @pages.get("/_sandbox/dashboard/feed")
    def feed() -> ResponseReturnValue:
        """Return what the page shows: one list, perhaps one object, and the state of things."""
        kind = request.args.get("kind", "payment")
        chosen = request.args.get("id")
        engine = control.engine
        with engine.store.changed:
            state: dict[str, Any] = {
                "counts": counts(engine),
                "list": listing(
                    engine,
                    kind,
                    request.args.get("q", ""),
                    {name: request.args[name] for name in FILTERS if request.args.get(name)},
                    request.args.get("page", 1, int),
                ),
                "detail": detail(engine, chosen) if chosen else None,
                "faults": engine.faults.listed(),
                "settings": control.settings(),
                "shop": _shop_settings(engine),
                "accounts": [tenant._asdict() for tenant in engine.store.tenants()],
                "next_delivery": engine.deliveries.next_due(),
            }
            clock = control.clock()
        return _unless_known(state, clock)


def _shop_settings(engine: Engine) -> dict[str, str]:
    """Return the settings of a shop for this sandbox: of the account that has an endpoint."""
    tenants = [tenant for tenant in engine.store.tenants() if tenant.mode == "test"]
    registered = [
        (tenant, row)
        for tenant in tenants
        for row in engine.store.table("webhook_endpoint", tenant).rows.values()
    ]
    tenant = registered[0][0] if registered else next(iter(tenants), Tenant(TEST_ACCOUNT, "test"))
    return {
        "PAYSAFER_API_BASE": f"{request.host_url}v1",
        "PAYSAFER_SECRET_KEY": f"sk_test_{tenant.account}",
        "PAYSAFER_PUBLISHABLE_KEY": f"pk_test_{tenant.account}",
        **({"PAYSAFER_WEBHOOK_SECRET": registered[0][1]["_secret"]} if registered else {}),
    }


def _unless_known(state: dict[str, Any], clock: dict[str, float]) -> Response:
    """Answer 304 while all is as the page knows it, the clock's ticking aside."""
    # Where a running clock began: it changes when the clock is moved, not when it ticks.
    origin = round(clock["now"] - clock["rate"] * time.monotonic(), -1)
    text = json.dumps(state)
    answer = jsonify({**state, "clock": clock})
    answer.set_etag(hashlib.sha256(f"{origin}{text}".encode()).hexdigest())
    return answer.make_conditional(request)  # type: ignore[return-value]  # it returns self


def _add_copies(pages: Blueprint, control: Control) -> None:
    @pages.get("/_sandbox/dashboard/copy/<name>.<any(py, sh):form>")
    def copy(name: str, form: str) -> ResponseReturnValue:
        """Return a request, a delivery or the whole session as a test, or as a command."""
        text = as_text(control.engine, name, form, base=request.host_url.rstrip("/"))
        return Response(text, mimetype="text/plain")
