"""Payouts: the account's money goes to its bank. Only their events are documented."""

from __future__ import annotations

from .account import Account
from .failures import ApiError
from .ledger import Row


def balance(account: Account, currency: str) -> int:
    """Return what the account has in this currency and was not paid out yet."""
    received: int = sum(
        payment["amount_received"] - payment["amount_refunded"] - payment.get("_amount_lost", 0)
        for payment in account.shelf("payment").rows.values()
        if payment["currency"] == currency
    )
    paid_out: int = sum(
        payout["amount"]
        for payout in account.shelf("payout").rows.values()
        if payout["currency"] == currency and payout["status"] == "paid"
    )
    return received - paid_out


def pay_out(account: Account, amount: int, currency: str, *, failure: str | None = None) -> Row:
    """Pay out ``amount``, or fail to for the reason ``failure``.

    :return: The ``payout.completed`` or ``payout.failed`` event.
    :raises ApiError: 422 if the balance doesn't cover it.
    """
    available = balance(account, currency)
    if amount > available:
        raise ApiError(
            "balance_insufficient",
            f"Can't pay out {amount} {currency}: the balance is {available}.",
            param="amount",
        )
    payout = account.new(
        "po",
        "payout",
        {
            "amount": amount,
            "currency": currency,
            "status": "failed" if failure else "paid",
            "failure_reason": failure,
        },
    )
    return account.emit("payout.failed" if failure else "payout.completed", payout)
