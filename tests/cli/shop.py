"""A shop whose commands are run against a PaySafer in the same process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import Result
from flask import Flask

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.state import AppState, get_state

SECRET = "whsec_kit7Wq3nB8xZk2LmV5tRc9pYh4"
SETTINGS: dict[str, Any] = {
    "SECRET_KEY": "a long random value of the tests",
    "PAYSAFER_SECRET_KEY": "sk_test_kitshop12",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_kitshop12",
    "PAYSAFER_WEBHOOK_SECRET": SECRET,
    "PAYSAFER_API_BASE": "http://127.0.0.1:4242/v1",
    "PAYSAFER_MAX_RETRIES": 0,
}
URL = "http://127.0.0.1:5000/paysafer/webhook"


class KitShop:
    """The app, its one account, and what its handlers saw."""

    def __init__(self, sandbox: Sandbox, folder: Path, **settings: Any) -> None:
        self.sandbox = sandbox
        self.paysafer = PaySafer(transport=sandbox.transport())
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config.from_mapping(SETTINGS | settings)
        self.paysafer.init_app(self.app)
        self.handled: list[Event] = []

    @property
    def state(self) -> AppState:
        """The extension's state."""
        return get_state(self.app)

    def open_for_business(self) -> None:
        """Register what a shop registers."""
        self.paysafer.on("payment.completed", name="fulfil")(self.handled.append)
        self.paysafer.order_loader(
            lambda reference: CheckoutOrder(
                reference=reference, amount=Money(15000, "aed"), success_url="/"
            )
        )

    def run(self, *arguments: str, answers: str | None = None) -> Result:
        """Run ``flask paysafer …``."""
        return self.app.test_cli_runner().invoke(args=["paysafer", *arguments], input=answers)

    def json(self, *arguments: str) -> Any:
        """Run a command with ``--json`` and return what it printed."""
        return json.loads(self.run(*arguments, "--json").stdout)
