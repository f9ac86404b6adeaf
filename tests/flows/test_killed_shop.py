"""The shop is killed between a payment and its webhook, and opened again."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from example_app.check import GOOD_CARD
from example_app.local import PUBLISHABLE_KEY, SECRET_KEY
from example_app.visitor import Visitor
from flask_paysafer import PaySaferClient
from flask_paysafer.sandbox import Sandbox
from tests.example_app.test_shop import open_checkout, order_of
from tests.waiting import wait_for

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def paysafer() -> Iterator[Sandbox]:
    with Sandbox(clock_rate=0) as sandbox, sandbox.serve():
        yield sandbox


@contextmanager
def mortal_shop(
    folder: Path, paysafer: Sandbox, when: str, port: int = 0, secret: str = ""
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Open the shop in a process of its own; give the process and the shop's address."""
    environ = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PAYSAFER_API_BASE": f"{paysafer.url}/v1",
        "PAYSAFER_SECRET_KEY": SECRET_KEY,
        "PAYSAFER_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "PAYSAFER_WEBHOOK_SECRET": secret,
        "PAYSAFER_LEASE": "1",
    }
    command = [sys.executable, "-m", "tests.flows.mortal_shop", str(folder), str(port), when]
    with subprocess.Popen(
        command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def register_endpoint(paysafer: Sandbox, port: int) -> str:
    """Register the shop's webhook at PaySafer; return its signing secret."""
    with PaySaferClient(SECRET_KEY, base_url=f"{paysafer.url}/v1") as client:
        endpoint = client.webhook_endpoints.create(
            url=f"http://127.0.0.1:{port}/paysafer/webhook", enabled_events=["payment.completed"]
        )
    return str(endpoint["secret"])


def succeeded_payments(paysafer: Sandbox) -> int:
    with PaySaferClient(SECRET_KEY, base_url=f"{paysafer.url}/v1") as client:
        return sum(payment.status == "succeeded" for payment in client.payments.list())


def is_delivered_again(paysafer: Sandbox) -> bool:
    """Resend as the Dashboard does: a shop that still holds the dead worker's lease refuses."""
    (delivery,) = paysafer.deliveries()
    return bool(paysafer.resend(delivery["id"])["status"] == "delivered")


def rows(folder: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "shop.db")) as books:
        return books.execute(query).fetchall()


@pytest.mark.parametrize("when", ["before", "within"])
def test_an_order_is_paid_once_though_the_shop_was_killed_on_its_webhook(
    tmp_path: Path, paysafer: Sandbox, unused_port: int, when: str
) -> None:
    secret = register_endpoint(paysafer, unused_port)
    with mortal_shop(tmp_path, paysafer, when, unused_port, secret) as (process, url):
        with Visitor(url) as visitor:
            page, form = open_checkout(visitor)
            order = order_of(page)
            token = visitor.make_token(form, GOOD_CARD)
            with suppress(httpx.HTTPError):  # the shop may die before it answers the browser
                visitor.submit(page, form, token=token)
        assert process.wait(20) == -signal.SIGKILL
    assert rows(tmp_path, "select status, fulfilments from shop_order") == [("open", 0)]

    with (
        mortal_shop(tmp_path, paysafer, "never", unused_port, secret) as (_, url),
        Visitor(url) as visitor,
    ):
        wait_for(lambda: paysafer.deliveries()[0]["attempts"], "the failed attempt to be noted")
        wait_for(lambda: is_delivered_again(paysafer), "a delivery that is accepted")
        assert visitor.open(f"/order/{order}/status").json() == {"status": "paid"}
    assert rows(tmp_path, "select fulfilments from shop_order") == [(1,)]
    assert succeeded_payments(paysafer) == 1
