"""The whole journey on accounts that differ, with a profile that says how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_paysafer import ApiProfile, CheckoutOrder, Money, PaySafer
from flask_paysafer.errors import CardError, ConfigurationError, PaySaferError
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.testing.sandbox import JoinedSandbox
from tests.cli.probe.profiles import PROFILES

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Shop:
    """A shop whose account plays ``mapping``, and which believes ``believed``."""

    def __init__(self, folder: Path, sandbox: Sandbox, believed: dict[str, dict[str, Any]]) -> None:
        self.app = Flask(__name__, instance_path=str(folder))
        self.app.config.update(
            SECRET_KEY="flask",
            TESTING=True,
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_PUBLISHABLE_KEY="pk_test_acmeshop1",
            PAYSAFER_WEBHOOK_SECRET=SECRET,
            PAYSAFER_API_PROFILE=believed,
            PAYSAFER_API_BASE=f"{sandbox.url or 'https://api.paysafer.me'}/v1",
        )
        self.paysafer = PaySafer(self.app)
        self.events: list[tuple[str, str]] = []
        self.paysafer.on("payment.*")(self._note)
        self.paysafer.order_loader(self._load)
        if isinstance(sandbox, JoinedSandbox):
            sandbox.join(self.app)

    def _note(self, event: Any) -> None:
        self.events.append((event.type, event.data.status))

    def _load(self, reference: str) -> CheckoutOrder:
        return CheckoutOrder(
            reference=reference, amount=Money(1500, "aed"), success_url=f"/thanks/{reference}"
        )


@pytest.fixture(params=PROFILES)
def mapping(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = PROFILES[request.param]
    return found


@pytest.fixture
def sandbox(mapping: dict[str, dict[str, Any]]) -> Iterator[JoinedSandbox]:
    with JoinedSandbox(profile=ApiProfile.from_mapping(mapping)) as made:
        yield made


def test_the_journey_is_the_usual_one(
    tmp_path: Path, sandbox: JoinedSandbox, mapping: dict[str, dict[str, Any]]
) -> None:
    shop = Shop(tmp_path, sandbox, mapping)
    browser = shop.app.test_client()
    assert sandbox.pay(browser, "bought").status_code in {302, 404}  # the shop has no such page
    assert ("payment.completed", "succeeded") in shop.events

    sandbox.pay(browser, "declined", "chargeDeclined")
    assert ("payment.failed", "failed") in shop.events

    shop.events.clear()
    sandbox.pay(browser, "challenged", "authenticationRequired")
    assert ("payment.completed", "succeeded") in shop.events

    with shop.app.app_context():
        payment = shop.paysafer.payment_for("bought")
        assert payment is not None
        refunded = shop.paysafer.client.payments.refund(payment.id, amount=500)
        assert refunded.amount_refunded == 500
        assert refunded.status == "succeeded"
        listed = [one.status for one in shop.paysafer.client.payments.list(limit=1)]
        assert len(listed) == 3
        assert listed.count("succeeded") == 2
        with pytest.raises(CardError):
            shop.paysafer.client.payments.create(
                amount=100, currency="aed", payment_method="pm_card_chargeDeclined"
            )
    sandbox.settle()
    result = shop.app.test_cli_runner().invoke(args=["paysafer", "reconcile", "--since", "1h"])
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("mapping", [PROFILES["lists"], PROFILES["statuses"]], indirect=False)
def test_a_shop_with_the_wrong_profile_fulfils_nothing(
    tmp_path: Path, mapping: dict[str, dict[str, Any]]
) -> None:
    with Sandbox(profile=ApiProfile.from_mapping(mapping)) as sandbox, sandbox.serve():
        shop = Shop(tmp_path, sandbox, {})
        with shop.app.app_context():
            if "lists" in mapping:
                with pytest.raises(PaySaferError, match="flask paysafer probe"):
                    list(shop.paysafer.client.payments.list())
            else:
                payment = shop.paysafer.client.payments.create(
                    amount=100, currency="aed", payment_method="pm_card_visa"
                )
                assert payment.status == "paid"


def test_a_profile_that_is_wrong_stops_the_start(tmp_path: Path) -> None:
    with JoinedSandbox() as sandbox, pytest.raises(ConfigurationError, match=r"lists\.nxt"):
        Shop(tmp_path, sandbox, {"lists": {"nxt": "x"}})
