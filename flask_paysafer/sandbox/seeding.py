"""Fill an account with a small shop's history."""

from __future__ import annotations

from typing import Any

from . import customers, disputes, payments, payouts
from .account import Account
from .engine import Engine
from .triggers import realm_named

_CUSTOMERS = (
    ("Amal Haddad", "amal@example.com"),
    ("Omar Nasser", "omar@example.com"),
    ("Layla Karim", "layla@example.com"),
)
_PAYMENTS = (
    (15000, "visa", "Invoice #INV-2025-0042"),
    (4950, "mastercard", "Two bags of coffee"),
    (129900, "amex", "Espresso machine"),
    (7500, "chargeDeclined", "Gift card"),
    (2500, "visa_chargeDeclinedInsufficientFunds", "Filter papers"),
    (32000, "authenticationRequired", "Coffee course"),
    (8900, "createDispute", "Grinder brush"),
)


def seed(engine: Engine, account_name: str) -> dict[str, Any]:
    """Make customers, payments of every sort, a refund, disputes and payouts.

    :raises ApiError: 400 for a name that no key could hold.
    """
    with engine.ledger.transaction():
        account = engine.account(realm_named(account_name))
        _make_history(account)
        counts = {kind: len(account.shelf(kind).rows) for kind in ("payment", "customer", "event")}
    return {
        "account": account_name,
        "secret_key": f"sk_test_{account_name}",
        "publishable_key": f"pk_test_{account_name}",
        "counts": counts,
    }


def _make_history(account: Account) -> None:
    buyers = [
        customers.create(account, {"name": name, "email": email}).body["id"]
        for name, email in _CUSTOMERS
    ]
    made = [
        _pay(account, buyers[place % len(buyers)], *payment)
        for place, payment in enumerate(_PAYMENTS)
    ]
    payments.refund(account, made[1], {"amount": 950, "reason": "one bag came open"})
    held = _pay(account, buyers[0], 60000, "visa", "Table reservation", capture_method="manual")
    payments.capture(account, held, {"amount": 45000})
    _pay(account, buyers[1], 9900, "visa", "Tasting, authorised", capture_method="manual")
    disputed = account.find("payment", made[2])
    disputes.open_dispute(account, disputed, reason="product_not_received")
    resolved = account.find("payment", made[2])["_open_dispute"]
    disputes.resolve(account, account.find("dispute", resolved), "won")
    payouts.pay_out(account, 50000, "aed", failure=None)
    payouts.pay_out(account, 25000, "aed", failure="account_closed")


def _pay(
    account: Account, customer: str, amount: int, card: str, description: str, **more: str
) -> str:
    result = payments.create(
        account,
        {
            "amount": amount,
            "currency": "aed",
            "payment_method": f"pm_card_{card}",
            "customer": customer,
            "description": description,
            **more,
        },
    )
    payment_id: str = result.body.get("error", {}).get("payment", result.body)["id"]
    return payment_id
