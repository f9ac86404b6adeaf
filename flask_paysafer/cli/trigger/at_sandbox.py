"""Let an event happen in the local PaySafer that ``PAYSAFER_API_BASE`` leads to.

It really happens there: objects change, and the webhooks go out to whoever is
registered. So only what can happen is possible, and ids and times are the sandbox's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ...config import Config
from ...errors import ConfigurationError, OverrideError, PaySaferError
from ...events import Event
from ...keys import is_loopback
from .speaking import ask, send_json

_PAYMENT = ("currency", "description", "metadata", "receipt_email")
_CUSTOMER = ("email", "name", "phone", "metadata")
_KEPT = {
    "payment": _PAYMENT,
    "customer": _CUSTOMER,
    "payout": ("currency", "failure_reason"),
    "dispute": ("reason", "outcome"),
}
"""The fields of a replayed object that a new one can be made with."""

Order = dict[str, Any]
"""What ``POST /_sandbox/trigger`` takes."""


def is_sandbox(config: Config) -> bool:
    """Tell whether the API's address is on this machine, as only a sandbox's is."""
    return is_loopback(urlsplit(config.api_base).hostname or "")


def order_of(event_type: str, overrides: Mapping[str, Any]) -> Order:
    """Return what asks the sandbox for such an event.

    :raises OverrideError: for what the sandbox decides by itself.
    """
    order: Order = {"type": event_type}
    data: dict[str, Any] = {}
    for path, value in overrides.items():
        place, _, name = path.partition(".")
        if place != "data":
            raise OverrideError(f"The sandbox gives events their {path}; use --to app to set it.")
        if name == "amount" or (name == "payment" and event_type.startswith("dispute.")):
            order[name] = value
        elif name.startswith("metadata."):
            data.setdefault("metadata", {})[name.partition(".")[2]] = value
        else:
            data[name] = value
    return {**order, "data": data} if data else order


def order_again(event: Event) -> Order:
    """Return what makes something like ``event`` happen, as far as it can."""
    kept = _KEPT.get(event.type.partition(".")[0], tuple(event.data))
    data = {name: event.data[name] for name in kept if event.data.get(name) is not None}
    order = {"type": event.type, "data": data}
    # A payout of the stored amount may be more than this account has: it is of all it has.
    has_amount = "amount" in event.data and event.data.get("object") != "payout"
    return {**order, "amount": event.data["amount"]} if has_amount else order


def happen(config: Config, order: Order) -> list[tuple[str, str]]:
    """Make it happen and have it delivered.

    :return: The type and id of every event that came of it, in order: a refund brings the
        payment that it needs.
    :raises PaySaferError: for what the sandbox refuses, or if none answers.
    """
    base = _address(config)
    made = _make(base, {**order, **_whose(config)})
    send_json("POST", f"{base}/clock/advance", {"seconds": 0})  # returns when all is delivered
    events = send_json("GET", f"{base}/events")
    return [(event["type"], event["id"]) for event in events if event["id"] in made]


def _make(base: str, order: Order) -> list[str]:
    try:
        event, headers = ask("POST", f"{base}/trigger", order)
    except PaySaferError as error:
        if error.code != "parameter_unknown":
            raise
        raise PaySaferError(
            f"{error.message}. The sandbox settles that by itself; --to app delivers an example "
            "with any field set."
        ) from None
    made: str = headers.get("PaySafer-Sandbox-Events", event["id"])
    return made.split()


def resend(config: Config, event_id: str) -> list[dict[str, Any]]:
    """Deliver an event once more that the sandbox knows; return its deliveries, none if not."""
    base = _address(config)
    return [
        send_json("POST", f"{base}/deliveries/{delivery['id']}/resend")
        for delivery in deliveries_of(config, event_id)
    ]


def deliveries_of(config: Config, event_id: str) -> list[dict[str, Any]]:
    """Return the deliveries of one event."""
    listed = send_json("GET", f"{_address(config)}/deliveries")
    return [one for one in listed if one["event"] == event_id]


def _address(config: Config) -> str:
    if not is_sandbox(config):
        raise ConfigurationError(
            f"{config.setting('API_BASE')} leads to PaySafer itself, where events can't be made "
            "up. Start a sandbox (python -m flask_paysafer.sandbox) and set it to its address, "
            "or use --to app."
        )
    parts = urlsplit(config.api_base)
    return f"{parts.scheme}://{parts.netloc}/_sandbox"


def _whose(config: Config) -> dict[str, str]:
    key = config.secret_key or config.publishable_key
    if key is None:
        raise ConfigurationError(
            f"{config.setting('SECRET_KEY')} is not set, so the sandbox can't tell whose event it "
            "is. Set it to a test key such as sk_test_acmeshop1."
        )
    return {"account": key.split("_", 2)[2]}
