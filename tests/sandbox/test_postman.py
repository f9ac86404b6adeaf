"""Which time a signature carries, and what a shop on a real clock makes of it."""

from __future__ import annotations

import time

import httpx
import pytest

from flask_paysafer.errors import SignatureVerificationError
from flask_paysafer.sandbox import Parcel, Reply, Sandbox
from flask_paysafer.sandbox.postman import SignWith
from flask_paysafer.signing import HEADER, get_scheme

from .conftest import client_of
from .shop import Shop

INVALID = Reply(400, body="Invalid signature")
DAY = 86400


class RealShop(Shop):
    """Verifies what it gets, by the real time, as every shop does."""

    def __init__(self, tolerance: float = 300) -> None:
        super().__init__()
        self.secret = ""
        self.tolerance = tolerance

    def receive(self, parcel: Parcel) -> Reply:
        answer = super().receive(parcel)
        try:
            get_scheme("timestamped").verify(
                parcel.body,
                parcel.headers[HEADER],
                [self.secret],
                now=time.time(),
                tolerance=self.tolerance,
            )
        except SignatureVerificationError:
            return INVALID
        return answer

    def open(self, client: httpx.Client) -> None:
        self.secret = self.register(client)["secret"]


def signed_at(parcel: Parcel) -> int:
    return int(parcel.headers[HEADER].split(",")[0].removeprefix("t="))


def deliver(shop: Shop, *, sign_with: SignWith = "auto", ahead: float = DAY) -> Sandbox:
    """Deliver one event while the virtual clock is ahead of the real one."""
    sandbox = Sandbox(courier=shop.receive, sign_with=sign_with, start=time.time() + ahead)
    with sandbox, client_of(sandbox) as client:
        if isinstance(shop, RealShop):
            shop.open(client)
        else:
            shop.register(client)
        client.post("/customers")
        sandbox.advance(0)
    return sandbox


def test_signature_carries_the_virtual_time_of_the_attempt(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    shop.register(client)
    shop.default = Reply(500)
    client.post("/customers")
    sandbox.advance(60)
    times = [signed_at(parcel) for parcel in shop.parcels]
    assert times == [attempt["at"] for attempt in sandbox.deliveries()[0]["attempts"]]
    assert times[1] - times[0] == 60


def test_signature_is_made_with_the_endpoints_secret(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    endpoint = shop.register(client)
    client.post("/customers")
    sandbox.advance(0)
    (parcel,) = shop.parcels
    get_scheme("timestamped").verify(
        parcel.body,
        parcel.headers[HEADER],
        [endpoint["secret"]],
        now=sandbox.clock()["now"],
        tolerance=0,
    )


def test_shop_on_a_real_clock_takes_deliveries_after_a_jump() -> None:
    shop = RealShop()
    sandbox = deliver(shop)
    (delivery,) = sandbox.deliveries()
    assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 1)
    assert [abs(signed_at(parcel) - time.time()) < 60 for parcel in shop.parcels] == [False, True]


def test_endpoint_on_a_real_clock_is_asked_once_only() -> None:
    shop = RealShop()
    with Sandbox(courier=shop.receive) as sandbox, client_of(sandbox) as client:
        shop.open(client)
        sandbox.advance(DAY)
        for _ in range(3):
            client.post("/customers")
        sandbox.advance(0)
        assert len(shop.parcels) == 4


def test_wrong_secret_stays_a_failure() -> None:
    shop = Shop()
    shop.default = INVALID
    sandbox = deliver(shop)
    (delivery,) = sandbox.deliveries()
    assert (delivery["status"], delivery["attempts"][0]["status_code"]) == ("pending", 400)


@pytest.mark.parametrize("answer", [Reply(500), Reply(400, body="no such order"), Reply(200)])
def test_other_answers_are_taken_at_their_word(answer: Reply) -> None:
    shop = Shop()
    shop.default = answer
    deliver(shop)
    assert len(shop.parcels) == 1


def test_clocks_that_agree_are_not_doubted() -> None:
    shop = Shop()
    shop.default = INVALID
    deliver(shop, ahead=0)
    assert len(shop.parcels) == 1


@pytest.mark.parametrize(("sign_with", "real"), [("virtual", False), ("wall", True)])
def test_time_can_be_chosen(sign_with: SignWith, real: bool) -> None:
    shop = Shop()
    shop.default = INVALID
    deliver(shop, sign_with=sign_with)
    (parcel,) = shop.parcels
    assert (abs(signed_at(parcel) - time.time()) < 60) is real


def test_body_scheme_signs_the_body_alone(shop: Shop) -> None:
    with (
        Sandbox(courier=shop.receive, signature_scheme="body") as sandbox,
        client_of(sandbox) as client,
    ):
        endpoint = shop.register(client)
        client.post("/customers")
        sandbox.advance(0)
    (parcel,) = shop.parcels
    get_scheme("body").verify(
        parcel.body, parcel.headers[HEADER], [endpoint["secret"]], now=0, tolerance=0
    )
