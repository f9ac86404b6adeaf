"""pytest fixtures for shops that take payments through PaySafer.

Nothing has to be registered: pytest finds this file by the package's entry
point. A test of a handler needs the shop's own ``app`` fixture, and reads so::

    def test_a_payment_pays_the_order(paysafer_deliver):
        response = paysafer_deliver("payment.completed", metadata={"paysafer_reference": "1"})
        assert response.status_code == 200 and Order.get("1").is_paid

``paysafer_sandbox`` is a whole PaySafer in the test's process: with
``paysafer_sandbox.join(app)`` the app's calls reach it, and its webhooks the
app. ``paysafer_clock`` moves its time, ``paysafer_client`` calls its API.

pytest imports this file before anything can be measured or configured, in every
run of every project. So each fixture imports what it needs when it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flask import Flask

    from ..client import PaySaferClient
    from .deliveries import Deliver
    from .sandbox import Clock, JoinedSandbox


@pytest.fixture
def paysafer_deliver(request: pytest.FixtureRequest) -> Deliver:
    """Deliver signed events to the webhook route of the ``app`` fixture, or of ``app=…``."""
    from .deliveries import Deliver

    return Deliver(lambda: _find_app(request))


@pytest.fixture
def paysafer_sandbox() -> Iterator[JoinedSandbox]:
    """A local PaySafer in process, empty, with a clock that stands still until it is moved."""
    from .sandbox import JoinedSandbox

    with JoinedSandbox() as sandbox:
        yield sandbox


@pytest.fixture
def paysafer_clock(paysafer_sandbox: JoinedSandbox) -> Clock:
    """The clock of ``paysafer_sandbox``: retries, key life and rate windows run on it."""
    from .sandbox import Clock

    return Clock(paysafer_sandbox)


@pytest.fixture
def paysafer_client(paysafer_sandbox: JoinedSandbox) -> Iterator[PaySaferClient]:
    """An API client of ``paysafer_sandbox`` that reports every failure instead of retrying."""
    from ..client import PaySaferClient
    from .sandbox import ACCOUNT

    with PaySaferClient(
        f"sk_test_{ACCOUNT}",
        publishable_key=f"pk_test_{ACCOUNT}",
        base_url="http://localhost/v1",
        max_retries=0,
        transport=paysafer_sandbox.transport(),
    ) as client:
        yield client


def _find_app(request: pytest.FixtureRequest) -> Flask:
    from ..errors import ConfigurationError

    try:
        app: Flask = request.getfixturevalue("app")
    except pytest.FixtureLookupError as error:
        if error.argname != "app":
            raise
        raise ConfigurationError(
            "paysafer_deliver needs the app. Define a fixture called app that returns it, or pass "
            "it: paysafer_deliver(…, app=app)."
        ) from None
    return app
