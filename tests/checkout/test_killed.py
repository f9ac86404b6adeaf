"""A worker process that is killed for good while PaySafer works for it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import PAGE, Shop, hidden_fields

pytestmark = pytest.mark.slow


@contextmanager
def worker(sandbox: Sandbox, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a worker process, and give it with its address."""
    command = [sys.executable, "-m", "tests.checkout.worker", str(sandbox.url), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def click(url: str, token: str) -> None:
    with httpx.Client() as browser, suppress(httpx.TransportError):
        form = hidden_fields(browser.get(url + PAGE).text)
        browser.post(url + PAGE, data=form | {"token": token}, timeout=30)


def wait_for_attempt(shop: Shop) -> None:
    waiting = threading.Event()
    for _ in range(1000):
        if shop.checkout._store.current("1234") is not None:
            return
        waiting.wait(0.01)
    pytest.fail("the worker began no attempt")


@pytest.mark.parametrize("reading", ["replay", "strict"])
def test_leaves_one_charge(
    make_shop: MakeShop, sandbox: Sandbox, tmp_path: Path, reading: str
) -> None:
    survivor = make_shop()
    with sandbox.serve():
        sandbox.settings(idempotency=reading)
        sandbox.fault("delay", method="POST", path="/v1/payments", seconds=1)
        with worker(sandbox, tmp_path) as (process, url):
            customer = threading.Thread(target=click, args=(url, survivor.token()))
            customer.start()
            wait_for_attempt(survivor)
            process.kill()
            customer.join()
        assert survivor.phase() == "checking"
        survivor.let_time_pass(31)
        # PaySafer may still be at work: then the key is in use, and is asked for again.
        for _ in range(100):
            if survivor.phase() == "paid":
                break
            threading.Event().wait(0.1)
            survivor.let_time_pass(2)
        assert survivor.open().location == "/thanks"
    assert len(survivor.payments) == 1
