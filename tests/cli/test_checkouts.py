"""The commands for orders that customers have tried to pay."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_paysafer import CheckoutOrder, Money
from flask_paysafer.testing import JoinedSandbox
from tests.cli.shop import KitShop


class Seller(KitShop):
    """A shop that sells any order for AED 150."""

    def __init__(self, sandbox: JoinedSandbox, folder: Path) -> None:
        super().__init__(sandbox, folder)
        self._joined = sandbox
        self.app.add_url_rule("/thanks", view_func=lambda: "Thank you")
        self.paysafer.on("payment.completed", name="fulfil")(self.handled.append)
        self.paysafer.order_loader(
            lambda reference: CheckoutOrder(
                reference=reference, amount=Money(15000, "aed"), success_url="/thanks"
            )
        )

    def pay(self, reference: str, card: str = "visa") -> None:
        self._joined.pay(self.app.test_client(), reference, card=card)


@pytest.fixture
def seller(tmp_path: Path) -> Iterator[Seller]:
    with JoinedSandbox() as sandbox:
        seller = Seller(sandbox, tmp_path)
        seller.pay("1001")
        seller.pay("1002", card="chargeDeclined")
        yield seller


def test_lists_orders_with_the_newest_first(seller: Seller) -> None:
    titles, newest, oldest = seller.run("checkouts", "list").stdout.splitlines()

    assert titles.split() == ["CHANGED", "REFERENCE", "PHASE", "AMOUNT", "ATTEMPTS", "PAYMENT"]
    assert newest.split()[2:7] == ["UTC", "1002", "failed", "AED", "150.00"]
    assert oldest.split()[2:7] == ["UTC", "1001", "paid", "AED", "150.00"]


@pytest.mark.parametrize(
    ("options", "references"),
    [
        (("--phase", "paid"), ["1001"]),
        (("--phase", "paid", "--phase", "failed"), ["1002", "1001"]),
        (("--limit", "1"), ["1002"]),
        (("--until", "1h"), []),
        (("--since", "1h"), ["1002", "1001"]),
    ],
)
def test_lists_what_is_asked_for(
    seller: Seller, options: tuple[str, ...], references: list[str]
) -> None:
    found = seller.json("checkouts", "list", *options)
    assert [one["reference"] for one in found] == references


def test_says_that_there_are_none(shop: KitShop) -> None:
    assert shop.run("checkouts", "list").stdout == "No matches.\n"


def test_shows_an_order_with_its_attempts(seller: Seller) -> None:
    seller.pay("1002")

    text = seller.run("checkouts", "show", "1002").stdout
    shown = seller.json("checkouts", "show", "1002")

    assert "Phase:    paid" in text
    assert "generic_decline" in text
    assert [(one["number"], one["state"]) for one in shown["history"]][-1] == (2, "succeeded")
    assert (shown["amount"], shown["currency"]) == (15000, "aed")
    json.dumps(shown)


@pytest.mark.parametrize("reference", ["9", "\x1b[31m9"])
def test_an_order_that_nobody_tried_to_pay(seller: Seller, reference: str) -> None:
    result = seller.run("checkouts", "show", reference)
    assert result.exit_code == 1
    assert "No customer has tried to pay an order" in result.stderr
    assert "\x1b" not in result.stderr


def test_closes_an_order_after_asking(seller: Seller) -> None:
    refused = seller.run("checkouts", "close", "1002", answers="n\n")
    assert seller.json("checkouts", "show", "1002")["phase"] == "failed"
    closed = seller.run("checkouts", "close", "1002", "--yes")
    assert (refused.exit_code, closed.exit_code) == (1, 0)
    assert seller.json("checkouts", "show", "1002")["phase"] == "closed"


def test_closing_a_paid_order_fails_and_says_so(seller: Seller) -> None:
    result = seller.run("checkouts", "close", "1001", "--yes")
    assert result.exit_code == 1
    assert "The order is paid: its payment was not cancelled." in result.stderr
