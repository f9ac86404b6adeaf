"""Disputes: a cardholder asks the money back through the bank."""

from __future__ import annotations

from .account import Account
from .failures import ApiError
from .ledger import Row
from .transitions import demand


def open_dispute_of(account: Account, payment: Row) -> Row | None:
    """Return the payment's dispute that is still open, or None."""
    dispute_id = account.find("payment", payment["id"]).get("_open_dispute")
    return account.find("dispute", dispute_id) if dispute_id else None


def open_dispute(
    account: Account, payment: Row, *, amount: int | None = None, reason: str = "fraudulent"
) -> Row:
    """Dispute what is left of a payment, or ``amount`` of it.

    :return: The ``dispute.created`` event.
    :raises ApiError: 422 if there is nothing to dispute, or one is open.
    """
    demand(payment, "dispute")
    remaining = payment["amount_received"] - payment["amount_refunded"]
    if open_dispute_of(account, payment):
        raise ApiError("payment_disputed", "This payment has an open dispute already.")
    if remaining == 0:
        raise ApiError("payment_already_refunded", "This payment is refunded already.")
    if amount is not None and amount > remaining:
        raise ApiError(
            "amount_too_large", f"Can't dispute {amount}: only {remaining} remains.", param="amount"
        )
    dispute = account.new(
        "dp",
        "dispute",
        {
            "payment": payment["id"],
            "amount": amount or remaining,
            "currency": payment["currency"],
            "reason": reason,
            "status": "open",
            "outcome": None,
        },
    )
    account.put("payment", {**payment, "_open_dispute": dispute["id"]})
    return account.emit("dispute.created", dispute)


def resolve(account: Account, dispute: Row, outcome: str) -> Row:
    """Close an open dispute as ``won`` or ``lost``; return the ``dispute.resolved`` event."""
    closed = account.put("dispute", {**dispute, "status": "closed", "outcome": outcome})
    payment = account.find("payment", dispute["payment"])
    lost = payment.get("_amount_lost", 0) + (dispute["amount"] if outcome == "lost" else 0)
    account.put("payment", {**payment, "_open_dispute": None, "_amount_lost": lost})
    return account.emit("dispute.resolved", closed)
