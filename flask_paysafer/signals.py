"""The signals this extension sends, for code that observes.

The sender is always the application; receivers are ``receiver(sender, event)``.
Receivers of an event type's signal run one by one after the handlers. Each is recorded
under its name, as a handler is, and does not run again once it is done. Blinker keeps
receivers weakly and in no order, so work that must be done belongs in a handler
(:meth:`flask_paysafer.PaySafer.on`).
"""

from __future__ import annotations

from blinker import NamedSignal, Namespace

_signals = Namespace()


def for_type(event_type: str) -> NamedSignal:
    """Return the signal of one event type, such as ``"payment.completed"``.

    Any type has one, so that types PaySafer adds later can be observed too.
    """
    return _signals.signal(event_type)


payment_created = for_type("payment.created")
"""A payment was created. ``event.data`` is the payment."""

payment_completed = for_type("payment.completed")
"""A payment was captured and its funds were received. ``event.data`` is the payment."""

payment_failed = for_type("payment.failed")
"""A payment failed; ``event.data.failure_reason`` says why."""

payment_refunded = for_type("payment.refunded")
"""Some or all of a payment was given back; ``event.data.amount_refunded`` is the sum."""

customer_created = for_type("customer.created")
"""A customer was created. ``event.data`` is the customer."""

customer_updated = for_type("customer.updated")
"""A customer was changed. ``event.data`` is the customer as it is now."""

payout_completed = for_type("payout.completed")
"""A payout reached the bank. ``event.data`` is the payout."""

payout_failed = for_type("payout.failed")
"""A payout failed; ``event.data.failure_reason`` says why."""

dispute_created = for_type("dispute.created")
"""A cardholder opened a dispute. ``event.data`` is the dispute."""

dispute_resolved = for_type("dispute.resolved")
"""A dispute was decided; ``event.data.outcome`` is ``won`` or ``lost``."""

checkout_authorised = for_type("checkout.authorised")
"""A card was authorised for an order that is captured later. A local event."""

checkout_paid = for_type("checkout.paid")
"""An order was paid, sent once, whether the page or a webhook learnt of it first. A local event."""

checkout_expired = for_type("checkout.expired")
"""An order reached its ``expires_at`` unpaid and takes no payment any more. A local event."""

subscription_started = for_type("subscription.started")
"""A subscription's first period is paid, or free. A local event."""

subscription_renewed = for_type("subscription.renewed")
"""A later period is paid, or free. A local event."""

subscription_past_due = for_type("subscription.past_due")
"""A period's payment was declined for the first time. A local event."""

subscription_action_required = for_type("subscription.action_required")
"""A period can only be paid by the customer: ``event.data.payment_url``. A local event."""

subscription_canceled = for_type("subscription.canceled")
"""A subscription has ended. A local event."""

event_received = _signals.signal("event-received")
"""Sent once for each new event, after it was stored and before handlers run.

Receivers get ``event``. For observers: what a receiver raises is logged and
changes nothing.
"""

event_processed = _signals.signal("event-processed")
"""Sent when everything that an event asks for is done. Receivers get ``event``."""

event_failed = _signals.signal("event-failed")
"""Sent after a handler raised and the failure was stored.

Receivers get ``event``, ``handler`` (its name), ``attempt`` (from 1), ``error`` and
``final``: False while this extension tries again by itself. For reporting only:
retrying is the inbox's work.
"""

webhook_rejected = _signals.signal("webhook-rejected")
"""Sent for a delivery that was not accepted.

Receivers get ``reason`` (text, no secret) and ``status`` (the HTTP status of
the answer).
"""

checkout_started = _signals.signal("checkout-started")
"""Sent when a checkout's payment is about to be created.

Receivers get ``reference`` and ``order`` (the loader's).
"""
