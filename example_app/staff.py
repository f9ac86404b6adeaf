"""The staff's page: orders with capture and refund, and notices."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import partial, wraps
from typing import ParamSpec

from flask import (
    Blueprint,
    abort,
    current_app,
    flash,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from werkzeug.wrappers import Response

from flask_paysafer import errors, idempotency_key

from .models import Notice, Order, db
from .payments import paysafer
from .reservations import note_reservation
from .texts import say

pages = Blueprint("staff", __name__, url_prefix="/staff")

P = ParamSpec("P")


def staff_only(view: Callable[P, str | Response]) -> Callable[P, str | Response]:
    """Send everybody else to the sign-in page."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> str | Response:
        if not session.get("staff"):
            return redirect(url_for("staff.sign_in"))
        return view(*args, **kwargs)

    return guarded


@pages.route("/sign-in", methods=["GET", "POST"])
def sign_in() -> str | Response:
    """Let in who knows the passcode that was printed at the start."""
    if request.method == "POST":
        given = request.form.get("passcode", "")
        if hmac.compare_digest(given.encode(), current_app.config["STAFF_PASSCODE"].encode()):
            session["staff"] = True
            return redirect(url_for(".orders"))
        flash(say("That is not the passcode. It was printed when the shop started."))
    return render_template("shop/sign_in.html")


@pages.get("/")
@staff_only
def orders() -> str:
    """Show the latest orders and notices."""
    query = db.select(Order).order_by(Order.created_at.desc()).limit(50)
    latest = [note_reservation(order) for order in db.session.scalars(query).all()]
    notices = db.session.scalars(db.select(Notice).order_by(Notice.id.desc()).limit(20)).all()
    return render_template("shop/staff.html", orders=latest, notices=notices)


@pages.post("/<order_id>/capture")
@staff_only
def capture(order_id: str) -> Response:
    """Charge a reserved order, once: the key is the same however often one clicks."""
    payment = _payment_of(order_id, status="reserved")
    key = idempotency_key("order", order_id, "capture")
    call = partial(paysafer.client.payments.capture, payment, idempotency_key=key)
    return _ask(call, order=order_id, was="reserved")


@pages.post("/<order_id>/refund")
@staff_only
def refund(order_id: str) -> Response:
    """Give back all that was paid, once."""
    payment = _payment_of(order_id, status="paid")
    key = idempotency_key("order", order_id, "refund")
    call = partial(paysafer.client.payments.refund, payment, idempotency_key=key)
    return _ask(call, order=order_id, was="paid")


def _payment_of(order_id: str, *, status: str) -> str:
    order = db.session.get(Order, order_id)
    if order is None or order.payment_id is None or order.status != status:
        abort(409, "The order is not in a state for that any more. Reload the page.")
    return order.payment_id


def _ask(call: Callable[[], object], *, order: str, was: str) -> Response:
    """Make a call and tell the staff how it went; the webhook changes the order.

    :param order: The id of the order that the page then watches.
    :param was: The state that it is to leave.
    """
    try:
        call()
        flash(say("Done. The order changes as soon as PaySafer tells us."))
        return redirect(url_for(".orders", order=order, was=was))
    except errors.PaySaferError as error:
        if error.outcome == "unknown":
            flash(say("PaySafer did not answer. Press the button again: it can't be done twice."))
        else:
            flash(say("PaySafer refused: {reason}").format(reason=error.message))
    return redirect(url_for(".orders"))
