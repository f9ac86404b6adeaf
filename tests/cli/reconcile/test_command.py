from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from flask_paysafer import Event, Webhook
from flask_paysafer.cli import reconciliation
from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import SECRET, KitShop


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is running here that would have to notice."""
    monkeypatch.setattr(reconciliation, "_WAIT", 0)


@pytest.fixture
def shop(sandbox: Sandbox, tmp_path: Path) -> KitShop:
    shop = KitShop(sandbox, tmp_path)
    shop.paysafer.on("payment.*", name="all")(shop.handled.append)
    return shop


def pay(shop: KitShop, amount: int = 15000, method: str = "pm_card_visa", **fields: Any) -> str:
    """Make a payment whose events nobody hears of, for no endpoint is registered."""
    with shop.app.app_context():
        return shop.paysafer.client.payments.create(
            amount=amount, currency="aed", payment_method=method, **fields
        ).id


def refund(shop: KitShop, payment: str, amount: int) -> None:
    with shop.app.app_context():
        shop.paysafer.client.payments.refund(payment, amount=amount)


def deliver(shop: KitShop, event: dict[str, Any]) -> int:
    """Deliver an event of the sandbox; return the answer's status."""
    body = json.dumps(event).encode()
    headers = {"PaySafer-Signature": Webhook.sign(body, SECRET)}
    client = shop.app.test_client()
    return client.post(
        "/paysafer/webhook", data=body, headers=headers, content_type="application/json"
    ).status_code


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_says_that_nothing_was_missed(shop: KitShop) -> None:
    result = shop.run("reconcile", "--since", "48h")

    assert result.exit_code == 0, result.output
    assert "0 payments looked at: the inbox knows of all that happened." in result.output


def test_shows_what_was_missed_and_runs_nothing(shop: KitShop) -> None:
    payment = pay(shop)

    result = shop.run("reconcile", "--since", "48h")

    assert result.exit_code == 3, result.output
    assert f"missed   payment.completed  {payment}" in result.output
    assert "AED 150.00" in result.output
    assert "1 payment looked at: 2 missed." in result.output
    assert "Run the handlers for them with --apply." in result.output
    assert shop.handled == []


def test_runs_the_handlers_for_what_was_missed(shop: KitShop) -> None:
    payment = pay(shop, metadata={"paysafer_reference": "1234"})

    result = shop.run("reconcile", "--apply")

    assert result.exit_code == 0, result.output
    assert types(shop.handled) == ["payment.created", "payment.completed"]
    event = shop.handled[1]
    assert event.id == f"payment.completed:{payment}"
    assert event.data.metadata["paysafer_reference"] == "1234"
    assert event.idempotency_key("mail").startswith("payment_completed_pay_")
    assert event["reconciled"] is True


def test_a_second_run_finds_nothing(shop: KitShop) -> None:
    pay(shop)
    shop.run("reconcile", "--apply")
    shop.handled.clear()

    result = shop.run("reconcile", "--apply")

    assert "the inbox knows of all that happened" in result.output
    assert shop.handled == []


def test_the_real_events_do_nothing_when_they_come_at_last(shop: KitShop) -> None:
    payment = pay(shop)
    refund(shop, payment, 500)
    refund(shop, payment, 700)
    shop.run("reconcile", "--apply")
    assert types(shop.handled) == ["payment.created", "payment.completed", "payment.refunded"]
    assert shop.handled[-1].data.amount_refunded == 1200

    statuses = [deliver(shop, event) for event in shop.sandbox.events()]

    assert statuses == [200] * 4
    assert len(shop.handled) == 3


def test_a_refund_after_the_reconcile_is_handled(shop: KitShop) -> None:
    payment = pay(shop)
    refund(shop, payment, 500)
    shop.run("reconcile", "--apply")
    shop.handled.clear()
    refund(shop, payment, 1)

    for event in shop.sandbox.events():
        deliver(shop, event)

    assert [event.data.amount_refunded for event in shop.handled] == [501]


def test_what_events_told_of_is_not_missed(shop: KitShop) -> None:
    payment = pay(shop)
    refund(shop, payment, 500)
    for event in shop.sandbox.events():
        deliver(shop, event)

    assert "the inbox knows of all that happened" in shop.run("reconcile").output


def test_a_later_refund_is_missed_though_an_earlier_one_was_told_of(shop: KitShop) -> None:
    payment = pay(shop)
    refund(shop, payment, 500)
    for event in shop.sandbox.events():
        deliver(shop, event)
    refund(shop, payment, 250)

    [missed, summary] = map(json.loads, shop.run("reconcile", "--json").stdout.splitlines())

    assert missed["fact"] == f"payment.refunded:{payment}:750"
    assert summary == {"summary": {"payments": 1, "missed": 1}}


def test_a_declined_payment_is_a_failed_one(shop: KitShop) -> None:
    with pytest.raises(Exception, match="declined"):
        pay(shop, method="pm_card_chargeDeclined")

    shop.run("reconcile", "--apply")

    assert types(shop.handled) == ["payment.created", "payment.failed"]


def test_what_nobody_wants_is_not_missed(sandbox: Sandbox, tmp_path: Path) -> None:
    shop = KitShop(sandbox, tmp_path)
    shop.open_for_business()
    pay(shop)

    shop.run("reconcile", "--apply")

    assert types(shop.handled) == ["payment.completed"]


def test_looks_no_further_back_than_asked(shop: KitShop) -> None:
    pay(shop)
    shop.sandbox.advance(3 * 3600)
    wall = time.time() + 3 * 3600
    since = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(wall - 3600))
    pay(shop)

    assert "1 payment looked at" in shop.run("reconcile", "--since", since).output


@pytest.mark.parametrize("since", ["48", "two days", "48h ago", ""])
def test_says_how_to_write_the_time(shop: KitShop, since: str) -> None:
    result = shop.run("reconcile", "--since", since)

    assert result.exit_code == 2
    assert "write an age such as 2h, or a time such as 2026-01-31T12:00." in result.output


def test_a_failing_handler_is_reported_and_tried_again_by_the_next_run(shop: KitShop) -> None:
    open_again: list[bool] = []

    @shop.paysafer.on("payment.completed")
    def ship(event: Event) -> None:
        if not open_again:
            raise RuntimeError("the warehouse is closed")

    pay(shop)
    failed = shop.run("reconcile", "--apply")
    seen = len(shop.handled)
    open_again.append(True)
    mended = shop.run("reconcile", "--apply")

    assert failed.exit_code == 1
    assert "failed   payment.completed" in failed.output
    assert mended.exit_code == 0
    assert "1 handled" in mended.output
    assert len(shop.handled) == seen


def test_goes_on_where_it_was_interrupted(
    shop: KitShop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reconciliation, "_PAGE", 2)
    payments = [pay(shop) for _ in range(6)]
    shop.sandbox.fault("error-500", method="GET", path="/v1/payments", times=99)
    shop.sandbox.clear_faults()
    real = reconciliation.PaymentPages._first

    def breaks_off(self: reconciliation.PaymentPages) -> Any:
        page = real(self)
        shop.sandbox.fault("error-500", method="GET", path="/v1/payments", times=99)
        return page

    monkeypatch.setattr(reconciliation.PaymentPages, "_first", breaks_off)
    broken = shop.run("reconcile", "--apply")
    monkeypatch.setattr(reconciliation.PaymentPages, "_first", real)
    shop.sandbox.clear_faults()
    resumed = shop.run("reconcile", "--apply", "--resume")

    assert broken.exit_code == 1
    assert "Go on from here with --resume." in broken.output
    assert "4 payments looked at" in resumed.output
    completed = [event.data.id for event in shop.handled if event.type == "payment.completed"]
    assert sorted(completed) == sorted(payments)
    assert "No interrupted reconcile" in shop.run("reconcile", "--resume").output


def test_what_had_not_begun_is_not_to_be_resumed(shop: KitShop) -> None:
    shop.sandbox.fault("error-500", method="GET", path="/v1/payments", times=99)

    result = shop.run("reconcile")

    assert result.exit_code == 1
    assert "--resume" not in result.output


def test_reads_encrypted_refunds(sandbox: Sandbox, tmp_path: Path) -> None:
    from cryptography.fernet import Fernet

    key = Fernet.generate_key().decode()
    shop = KitShop(sandbox, tmp_path, PAYSAFER_INBOX_ENCRYPTION_KEY=key)
    shop.paysafer.on("payment.*", name="all")(shop.handled.append)
    payment = pay(shop)
    refund(shop, payment, 500)
    for event in shop.sandbox.events():
        deliver(shop, event)

    assert "the inbox knows of all that happened" in shop.run("reconcile").output
