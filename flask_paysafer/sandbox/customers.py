"""Customers: create, read, change, delete."""

from __future__ import annotations

from typing import Any

from .account import Account, Result
from .ledger import shown


def create(account: Account, data: dict[str, Any]) -> Result:
    """Create a customer; what was not given is null."""
    customer = account.new(
        "cus",
        "customer",
        {
            "email": data.get("email"),
            "name": data.get("name"),
            "phone": data.get("phone"),
            "metadata": data.get("metadata", {}),
        },
    )
    account.emit("customer.created", customer)
    return Result(shown(customer))


def retrieve(account: Account, customer_id: str) -> Result:
    """Return the customer."""
    return Result(shown(account.find("customer", customer_id)))


def update(account: Account, customer_id: str, data: dict[str, Any]) -> Result:
    """Change the given fields; metadata is merged, and ``""`` removes a key of it."""
    customer = account.find("customer", customer_id)
    changes = dict(data)
    if "metadata" in data:
        merged = {**customer["metadata"], **data["metadata"]}
        changes["metadata"] = {name: text for name, text in merged.items() if text}
    changed = {**customer, **changes}
    if changed != customer:
        customer = account.put("customer", changed)
        account.emit("customer.updated", customer)
    return Result(shown(customer))


def delete(account: Account, customer_id: str) -> Result:
    """Forget the customer; payments keep its id."""
    account.find("customer", customer_id)
    account.ledger.discard("customer", account.realm, customer_id)
    return Result({"id": customer_id, "object": "customer", "deleted": True})
