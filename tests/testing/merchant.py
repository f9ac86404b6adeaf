"""A merchant's project that has the kit, and runs its own tests."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

from flask_paysafer.testing import Deliver
from flask_paysafer.testing.sandbox import JoinedSandbox

PLUGIN = "flask_paysafer.testing.plugin"

SHOP = """
import pytest
from flask import Flask
from flask_paysafer import PaySafer

paysafer = PaySafer()
paid = []


@paysafer.on("payment.completed")
def fulfil(event):
    if event.data.description == "break":
        raise RuntimeError("out of stock")
    paid.append((event.data.metadata["order_id"], event.data.amount))


def create_app(**settings):
    app = Flask(__name__)
    app.config.update(
        TESTING=True,
        PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
        PAYSAFER_WEBHOOK_SECRET="whsec_0123456789abcdef",
        PAYSAFER_INBOX_URL="sqlite:///:memory:",
    )
    app.config.update(settings)
    paysafer.init_app(app)
    return app
"""
CONFTEST = """
import pytest
import shop


@pytest.fixture
def app(tmp_path):
    shop.paid.clear()
    return shop.create_app(PAYSAFER_INBOX_URL=f"sqlite:///{tmp_path}/inbox.db")
"""

Run = Callable[..., pytest.RunResult]


def plugin_options() -> list[str]:
    """Return what makes pytest load the kit where the package is not installed."""
    installed = any(point.value == PLUGIN for point in entry_points(group="pytest11"))
    return [] if installed else ["-p", PLUGIN]


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Load all that the inner runs use.

    What an inner run is the first to load is forgotten after it, and a library that is
    half forgotten works no more.
    """
    shop = ModuleType("shop")
    exec(SHOP, vars(shop))
    folder: Path = tmp_path_factory.mktemp("loaded")
    app = shop.create_app(PAYSAFER_INBOX_URL=f"sqlite:///{folder}/inbox.db")
    Deliver(lambda: app)("payment.completed")
    with JoinedSandbox() as sandbox:
        sandbox.join(app)
        with app.app_context():
            shop.paysafer.client.payments.create(amount=1, currency="aed")
        sandbox.settle()


@pytest.fixture
def run(loaded: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Write a merchant's test module beside the shop and run it."""
    monkeypatch.syspath_prepend(str(pytester.path))
    pytester.makepyfile(shop=SHOP)
    pytester.makeconftest(CONFTEST)

    def run(tests: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(test_shop=tests)
        return pytester.runpytest(*plugin_options(), "-p", "no:cacheprovider", *options)

    return run
