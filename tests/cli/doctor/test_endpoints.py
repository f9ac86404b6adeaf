"""An endpoint that is newer than what the secrets verified: its own may not be set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flask_paysafer.cli.doctor.api import check_endpoints
from flask_paysafer.cli.doctor.checking import CheckContext, Finding
from flask_paysafer.events import Event
from flask_paysafer.signing import fingerprint
from tests.cli.shop import SECRET, URL, KitShop
from tests.inbox.events import event_body

OTHER = "whsec_anotherSecretOfTheTests1234"


@pytest.fixture
def shop(shop: KitShop) -> Iterator[KitShop]:
    shop.open_for_business()
    with shop.app.app_context():
        yield shop


def register(shop: KitShop, *, after: int) -> None:
    """Register the webhook, ``after`` seconds after a delivery that the secret verified."""
    shop.paysafer.client.webhook_endpoints.create(url=URL, enabled_events=["*"])
    receive(shop, before=after)


def receive(shop: KitShop, *, before: int) -> None:
    """Have a delivery verified ``before`` seconds before the newest endpoint was there."""
    body, inbox = event_body(), shop.state.inbox
    recorded = inbox.record(Event.from_json(body), body, verified_with=fingerprint(SECRET))
    made = max(one.created for one in shop.paysafer.client.webhook_endpoints.list())
    event = inbox.database.tables.event
    with inbox.database.transaction() as connection:
        row = event.update().where(event.c.key == recorded.key)
        connection.execute(row.values(received_at=(made - before) * 1000))


def warnings(shop: KitShop, *, moved: float = 3600) -> list[Finding]:
    made = max(one.created for one in shop.paysafer.client.webhook_endpoints.list())
    context = CheckContext(shop.state, wall=lambda: made + moved)
    return [finding for finding in check_endpoints(context) if finding.level == "warning"]


def test_names_an_endpoint_that_is_newer_than_any_delivery(shop: KitShop) -> None:
    register(shop, after=600)

    (found,) = warnings(shop)

    assert found.what.startswith(f"{URL} was registered ")
    assert "after the last delivery that PAYSAFER_WEBHOOK_SECRET verified" in found.what
    assert "refused with 400. The local PaySafer makes new ones" in found.reason
    assert found.hint.startswith(
        "Set PAYSAFER_WEBHOOK_SECRET to the secret that was shown when we_"
    )


def test_says_nothing_once_it_has_delivered(shop: KitShop) -> None:
    register(shop, after=600)
    receive(shop, before=-1)

    assert warnings(shop) == []


def test_says_nothing_before_any_delivery(shop: KitShop) -> None:
    shop.paysafer.client.webhook_endpoints.create(url=URL, enabled_events=["*"])

    assert warnings(shop) == []


def test_says_nothing_of_a_secret_that_may_be_the_new_endpoints(shop: KitShop) -> None:
    from dataclasses import replace

    register(shop, after=600)
    shop.state.config = replace(shop.state.config, webhook_secrets=(OTHER, SECRET))

    assert warnings(shop) == []


def test_says_nothing_of_a_clock_that_was_moved_ahead(shop: KitShop) -> None:
    register(shop, after=600)

    assert warnings(shop, moved=-1) == []


def test_says_nothing_of_the_second_endpoint_of_a_rotation(shop: KitShop) -> None:
    register(shop, after=-1)
    shop.sandbox.advance(600)
    shop.paysafer.client.webhook_endpoints.create(url=URL, enabled_events=["*"])

    (found,) = warnings(shop)

    assert "is registered 2 times" in found.what
