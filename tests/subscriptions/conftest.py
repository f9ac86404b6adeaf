"""A shop with plans, a clock that stands still, and a PaySafer in a dict."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_paysafer import Event, Money, PaySafer
from flask_paysafer.state import get_state
from flask_paysafer.subscriptions.objects import Subscription
from flask_paysafer.subscriptions.plans import Charge

from .api import FakeAPI

START = datetime(2026, 1, 31, 9, tzinfo=UTC)


class Shop:
    """A shop that bills its customers each month."""

    def __init__(self, folder: Path, *, url: str | None = None, **terms: Any) -> None:
        self.api = FakeAPI()
        self.now = START
        self.events: list[tuple[str, int | None]] = []
        self.price: Any = lambda _subscription, _period: Charge(Money(9900, "aed"))
        self.folder = folder
        self.url = url
        self.paysafer = PaySafer(transport=self.api.transport)
        self.plan("beans", **terms)
        self.paysafer.on("subscription.*")(self._note)
        self.app = self._make_app()

    def _make_app(self) -> Flask:
        app = Flask("shop", instance_path=str(self.folder))
        app.config.update(
            SECRET_KEY="not a secret",
            SERVER_NAME="shop.example",
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_MAX_RETRIES=0,
            PAYSAFER_INBOX_URL=self.url,
        )
        self.paysafer.init_app(app)
        get_state(app).clock = lambda: self.now
        return app

    def plan(self, name: str, **terms: Any) -> None:
        """Register a plan that costs what ``price`` says."""

        def function(subscription: Any, period: Any) -> Any:
            return self.price(subscription, period)

        function.__qualname__ = name
        self.paysafer.plan(name, **{"every": "1 month", **terms})(function)

    def _note(self, event: Event) -> None:
        period = event.data["period"]
        number = None if period is None else period["number"]
        self.events.append((event.type.removeprefix("subscription."), number))

    @property
    def subscriptions(self) -> Any:
        """What the shop calls."""
        return get_state(self.app).subscriptions

    def paysafer_cards(self) -> Any:
        """The cards that customers saved."""
        return get_state(self.app).cards

    def create(self, reference: str = "s1", **given: Any) -> Subscription:
        """Create a subscription."""
        defaults = {"customer": "cus_1", "payment_method": "pm_good", "reference": reference}
        found: Subscription = self.subscriptions.create("beans", **{**defaults, **given})
        return found

    def run(self) -> Any:
        """Run what is due."""
        return self.subscriptions.run_due()

    def pass_time(self, **span: float) -> None:
        """Let time pass, with a run at its end."""
        self.now += timedelta(**span)
        self.run()

    def live(self, days: int) -> None:
        """Let days pass, with a run each day."""
        for _ in range(days):
            self.pass_time(days=1)

    def periods(self, reference: str = "s1") -> list[tuple[int, str]]:
        """Return numbers and states, oldest first."""
        found = self.subscriptions.periods(reference)
        return [(one.number, one.state) for one in reversed(found)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with the plan ``beans``, by the default terms."""
    made = Shop(tmp_path)
    yield made
    get_state(made.app).inbox.database.engine.dispose()
