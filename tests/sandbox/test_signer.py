"""Which time a signature carries, and what a shop on a real clock makes of it."""

from __future__ import annotations

import time

import httpx
import pytest

from flask_paysafer.errors import SignatureVerificationError
from flask_paysafer.sandbox import Sandbox, WebhookRequest, WebhookResponse
from flask_paysafer.sandbox.sender import SignWith
from flask_paysafer.signing import get_scheme

from .conftest import client_of
from .shop import Shop

HEADER = "PaySafer-Signature"
INVALID = WebhookResponse(400, body="Invalid signature")
DAY = 86400


class RealShop(Shop):
    """Verifies what it gets, by the real time, as every shop does."""

    def __init__(self, tolerance: float = 300) -> None:
        super().__init__()
        self.secret = ""
        self.tolerance = tolerance

    def receive(self, request: WebhookRequest) -> WebhookResponse:
        answer = super().receive(request)
        try:
            get_scheme("timestamped").verify(
                request.body,
                request.headers[HEADER],
                [self.secret],
                now=time.time(),
                tolerance=self.tolerance,
            )
        except SignatureVerificationError:
            return INVALID
        return answer

    def open(self, client: httpx.Client) -> None:
        self.secret = self.register(client)["secret"]


def signed_at(request: WebhookRequest) -> int:
    return int(request.headers[HEADER].split(",")[0].removeprefix("t="))


def deliver(shop: Shop, *, sign_with: SignWith = "auto", ahead: float = DAY) -> Sandbox:
    """Deliver one event while the virtual clock is ahead of the real one."""
    sandbox = Sandbox(sender=shop.receive, sign_with=sign_with, start=time.time() + ahead)
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
    shop.default = WebhookResponse(500)
    client.post("/customers")
    sandbox.advance(60)
    times = [signed_at(request) for request in shop.requests]
    assert times == [attempt["at"] for attempt in sandbox.deliveries()[0]["attempts"]]
    assert times[1] - times[0] == 60


def test_signature_is_made_with_the_endpoints_secret(
    client: httpx.Client, sandbox: Sandbox, shop: Shop
) -> None:
    endpoint = shop.register(client)
    client.post("/customers")
    sandbox.advance(0)
    (request,) = shop.requests
    get_scheme("timestamped").verify(
        request.body,
        request.headers[HEADER],
        [endpoint["secret"]],
        now=sandbox.clock()["now"],
        tolerance=0,
    )


def test_shop_on_a_real_clock_takes_deliveries_after_a_jump() -> None:
    shop = RealShop()
    sandbox = deliver(shop)
    (delivery,) = sandbox.deliveries()
    assert (delivery["status"], len(delivery["attempts"])) == ("delivered", 1)
    assert [abs(signed_at(request) - time.time()) < 60 for request in shop.requests] == [
        False,
        True,
    ]


def test_endpoint_on_a_real_clock_is_asked_once_only() -> None:
    shop = RealShop()
    with Sandbox(sender=shop.receive) as sandbox, client_of(sandbox) as client:
        shop.open(client)
        sandbox.advance(DAY)
        for _ in range(3):
            client.post("/customers")
        sandbox.advance(0)
        assert len(shop.requests) == 4


def test_wrong_secret_stays_a_failure() -> None:
    shop = Shop()
    shop.default = INVALID
    sandbox = deliver(shop)
    (delivery,) = sandbox.deliveries()
    assert (delivery["status"], delivery["attempts"][0]["status_code"]) == ("pending", 400)


@pytest.mark.parametrize(
    "answer",
    [WebhookResponse(500), WebhookResponse(400, body="no such order"), WebhookResponse(200)],
)
def test_other_answers_are_taken_at_their_word(answer: WebhookResponse) -> None:
    shop = Shop()
    shop.default = answer
    deliver(shop)
    assert len(shop.requests) == 1


def test_clocks_that_agree_are_not_doubted() -> None:
    shop = Shop()
    shop.default = INVALID
    deliver(shop, ahead=0)
    assert len(shop.requests) == 1


@pytest.mark.parametrize(("sign_with", "real"), [("virtual", False), ("wall", True)])
def test_time_can_be_chosen(sign_with: SignWith, real: bool) -> None:
    shop = Shop()
    shop.default = INVALID
    deliver(shop, sign_with=sign_with)
    (request,) = shop.requests
    assert (abs(signed_at(request) - time.time()) < 60) is real


def test_body_scheme_signs_the_body_alone(shop: Shop) -> None:
    with (
        Sandbox(sender=shop.receive, signature_scheme="body") as sandbox,
        client_of(sandbox) as client,
    ):
        endpoint = shop.register(client)
        client.post("/customers")
        sandbox.advance(0)
    (request,) = shop.requests
    get_scheme("body").verify(
        request.body, request.headers[HEADER], [endpoint["secret"]], now=0, tolerance=0
    )
