"""What the shop does when PaySafer says that something happened.

``PaySafer(db=db)`` commits a handler's writes together with the note that it is
done, so each of these happens exactly once, whatever is delivered how often.
"""

from __future__ import annotations

import logging

from flask import Flask

from flask_paysafer import Event, Money, signals

from .models import Notice, Order, db
from .payments import paysafer

log = logging.getLogger(__name__)


def _order_of(event: Event) -> Order | None:
    """Return our order that the event's payment is for, if it agrees with what we asked."""
    if paysafer.order_for(event) is None:
        return None
    return db.session.get(Order, event.data.metadata["paysafer_reference"])


def _order_paid_by(payment_id: str) -> Order | None:
    query = db.select(Order).where(Order.payment_id == payment_id)
    return db.session.scalars(query).first()


def _tell_staff(text: str, **names: str) -> None:
    db.session.add(Notice(text=text, names=names))


@paysafer.on("payment.created")
def reserve(event: Event) -> None:
    """Note a payment that waits for the roast: its card is charged at capture."""
    if event.data.status != "requires_capture":
        return
    order = _order_of(event)
    if order and order.status == "open":
        order.status, order.payment_id = "reserved", event.data.id


@paysafer.on("payment.completed")
def fulfil(event: Event) -> None:
    """Mark the order paid and send it to packing."""
    order = _order_of(event)
    if order is None:
        return
    order.payment_id = event.data.id
    order.fulfilments += 1
    if order.status in {"open", "reserved"}:  # a refund may have been told first
        order.status = "paid"


@paysafer.on("checkout.authorised")
def hold(event: Event) -> None:
    """Keep the lot for the customer: the card is charged once the roast is done."""
    if paysafer.order_for(event) is None:
        return
    order = db.session.get(Order, event.data.reference)
    if order and order.status == "open":
        order.status, order.payment_id = "reserved", event.data.payment


@paysafer.on("checkout.expired")
def release(event: Event) -> None:
    """Put a lot back on the shelf that was not paid for in time."""
    order = db.session.get(Order, event.data.reference)
    if order and order.status == "open":
        order.status = "expired"


@paysafer.on("payment.failed", stale="skip")
def note_failure(event: Event) -> None:
    """Tell the staff; the customer has seen it on the checkout page."""
    reason = event.data.get("failure_reason", "unknown")
    _tell_staff("Payment {payment} failed: {reason}", payment=event.data.id, reason=reason)


@paysafer.on("payment.refunded")
def note_refund(event: Event) -> None:
    """Keep what was given back; the event carries the sum so far."""
    order = _order_of(event)
    if order is None:
        return
    order.refunded_fils = max(order.refunded_fils, event.data.amount_refunded)
    if order.refunded_fils >= order.total_fils:
        order.status = "refunded"


@paysafer.on("dispute.created", "dispute.resolved")
def note_dispute(event: Event) -> None:
    """Hold a disputed order; a dispute that was lost costs us the money."""
    dispute = event.data
    order = _order_paid_by(dispute.payment)
    if event.type == "dispute.created":
        status, said = "disputed", "Dispute {dispute} about {payment} was opened"
    elif dispute.outcome == "won":
        status, said = "paid", "Dispute {dispute} about {payment} was won"
    else:
        status, said = "lost", "Dispute {dispute} about {payment} was lost"
    if order:
        order.status = status
    _tell_staff(said, dispute=dispute.id, payment=dispute.payment)


@paysafer.on("payout.completed", "payout.failed")
def note_payout(event: Event) -> None:
    """Tell the staff about money on its way to the bank."""
    amount = str(Money(event.data.amount, event.data.currency))
    if event.type == "payout.failed":
        _tell_staff("Payout of {amount} failed", amount=amount)
    else:
        _tell_staff("Payout of {amount} completed", amount=amount)


def log_processed(sender: Flask, event: Event) -> None:
    """Write a line per event that is done."""
    log.info("done: %s %s", event.type, event.id)


def register(app: Flask) -> None:
    """Watch this app's events."""
    signals.event_processed.connect(log_processed, app)
