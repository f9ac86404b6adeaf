"""Webhook endpoints: where events are delivered to."""

from __future__ import annotations

from typing import Any

from .account import Account, Result
from .courier import link_problem
from .failures import invalid
from .ids import random_text
from .ledger import Row, shown
from .shapes import CREATE_ENDPOINT


def create(account: Account, data: dict[str, Any]) -> Result:
    """Register an address; this answer alone holds the signing secret.

    It may be anywhere, as at PaySafer. Whether anything is sent there is the courier's
    to say: each delivery tells.
    """
    problem = link_problem(data["url"], allow_remote=True)
    if problem:
        raise invalid("url", problem)
    secret = f"whsec_{random_text(32)}"
    endpoint = account.new(
        "we",
        "webhook_endpoint",
        {
            "url": data["url"],
            "enabled_events": data.get("enabled_events", ["*"]),
            "status": "enabled",
            "_secret": secret,
        },
    )
    return Result({**shown(endpoint), "secret": secret})


def register(account: Account, url: str) -> Row:
    """Return the endpoint of this address with its secret; make one if there is none.

    :raises ApiError: 400 for an address that nothing would be sent to.
    """
    problem = account.link_problem(url)
    if problem:
        raise invalid("url", problem)
    for endpoint in account.shelf("webhook_endpoint").rows.values():
        if endpoint["url"] == url:
            return {**shown(endpoint), "secret": endpoint["_secret"]}
    return create(account, CREATE_ENDPOINT.check({"url": url})).body


def retrieve(account: Account, endpoint_id: str) -> Result:
    """Return the endpoint without its secret."""
    return Result(shown(account.find("webhook_endpoint", endpoint_id)))


def delete(account: Account, endpoint_id: str) -> Result:
    """Stop delivering there; what still waits is given up."""
    account.find("webhook_endpoint", endpoint_id)
    account.ledger.discard("webhook_endpoint", account.realm, endpoint_id)
    return Result({"id": endpoint_id, "object": "webhook_endpoint", "deleted": True})


def wants(endpoint: Row, event_type: str) -> bool:
    """Tell whether events of this type go to the endpoint."""
    enabled = endpoint["enabled_events"]
    return endpoint["status"] == "enabled" and ("*" in enabled or event_type in enabled)
