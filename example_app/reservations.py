"""Orders whose card is charged later: what no event tells is asked of PaySafer."""

from __future__ import annotations

from flask import current_app

from flask_paysafer import errors

from .models import Order, db
from .payments import paysafer


def note_reservation(order: Order) -> Order:
    """Return ``order``, reserved if its card was authorised meanwhile.

    PaySafer documents no event for an authorisation, and the browser's word for it
    is not enough.
    """
    if order.status == "open" and order.roasted_to_order:
        try:
            payment = paysafer.payment_for(order.id)
        except errors.PaySaferError:
            current_app.logger.warning("PaySafer can't be asked about order %s now.", order.id)
            return order
        if payment and payment.status == "requires_capture":
            order.status, order.payment_id = "reserved", payment.id
            db.session.commit()
    return order
