"""One client in many processes, threads and event loops."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient

from .driving import SECRET_KEY
from .servers import echo, serve

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_children_of_a_warm_client_get_their_own_answers() -> None:
    """As with gunicorn --preload; the parent goes on as well."""
    with serve(echo) as server:
        done = subprocess.run(
            [sys.executable, "-m", "tests.client.forking", server.base_url, "4", "50"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert done.stdout.split() == ["50"] * 5
    assert len(server.connections) == 5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_given_pool_is_refused_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    with PaySaferClient(SECRET_KEY, transport=httpx.HTTPTransport()) as client:
        monkeypatch.setattr(os, "getpid", lambda: 1)
        with pytest.raises(RuntimeError, match="made before the process forked"):
            client.payments.retrieve("pay_1")


def test_threads_get_their_own_answers() -> None:
    with (
        serve(echo) as server,
        PaySaferClient(SECRET_KEY, base_url=server.base_url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        wanted = [f"pay_{number}" for number in range(200)]
        got = threads.map(lambda payment_id: client.payments.retrieve(payment_id).id, wanted)
        assert list(got) == wanted


def test_connections_are_used_again() -> None:
    with serve(echo) as server, PaySaferClient(SECRET_KEY, base_url=server.base_url) as client:
        for number in range(5):
            client.payments.retrieve(f"pay_{number}")
    assert len(server.connections) == 1


def test_connections_of_a_busier_time_are_closed_once_the_server_has_closed_them() -> None:
    with (
        serve(echo) as server,
        PaySaferClient(SECRET_KEY, base_url=server.base_url) as client,
        ThreadPoolExecutor(8) as threads,
    ):
        together = threading.Barrier(8)

        def call(_: int) -> None:
            together.wait()
            client.payments.retrieve("pay_1")

        list(threads.map(call, range(8)))
        (pool,) = client._connections._pools.values()
        busy = len(pool._idle)
        for connection in server.connections:
            connection.shutdown(socket.SHUT_RDWR)
        client.payments.retrieve("pay_1")
        assert busy > 1
        assert len(pool._idle) == 1


def test_one_client_serves_event_loops_one_after_the_other() -> None:
    """As Flask's async views do: each request has a loop of its own."""
    with serve(echo) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        client = AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url, max_retries=0)

        async def view(number: int) -> list[str]:
            first = await client.payments.retrieve(f"pay_{number}")
            second = await client.payments.retrieve(f"pay_{number}_again")
            return [first.id, second.id]

        for number in range(10):
            assert asyncio.run(view(number)) == [f"pay_{number}", f"pay_{number}_again"]
        gc.collect()
    assert len(server.requests) == 20
    assert len(server.connections) == 10


def test_a_loop_that_ends_takes_its_connections_along() -> None:
    with serve(echo) as server:
        client = AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url)
        asyncio.run(_retrieve(client))
        assert client._connections._pools == {}
        assert server.is_left_alone()


async def _retrieve(client: AsyncPaySaferClient) -> None:
    await client.payments.retrieve("pay_1")


def test_a_loop_that_was_closed_without_ending_its_generators_is_forgotten() -> None:
    with serve(echo) as server:
        client = AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(_retrieve(client))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)  # of the loop's own sockets
            loop.close()
            asyncio.run(_retrieve(client))
            gc.collect()
        assert client._connections._pools == {}


def test_event_loops_in_several_threads_share_one_client() -> None:
    with serve(echo) as server:
        client = AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url)
        results: list[str] = []

        async def call(name: str) -> None:
            calls = (client.payments.retrieve(f"pay_{name}_{n}") for n in range(10))
            results.extend(payment.id for payment in await asyncio.gather(*calls))

        threads = [
            threading.Thread(target=lambda name=name: asyncio.run(call(name))) for name in "abcd"
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results) == sorted(f"pay_{name}_{n}" for name in "abcd" for n in range(10))


def test_a_cancelled_call_leaves_the_client_usable() -> None:
    async def call() -> str:
        async with AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url) as client:
            task = asyncio.create_task(_retrieve(client))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await client.payments.retrieve("pay_2")).id

    with serve(echo) as server:
        assert asyncio.run(call()) == "pay_2"


def test_a_client_that_is_forgotten_leaves_no_socket_open() -> None:
    with serve(echo) as server:
        client = PaySaferClient(SECRET_KEY, base_url=server.base_url)
        client.payments.retrieve("pay_1")
        del client
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            gc.collect()
        assert server.is_left_alone()


def test_a_closed_client_says_so() -> None:
    client = PaySaferClient(SECRET_KEY)
    other = client.with_options(timeout=1.0)
    client.close()
    for closed in (client, other):
        with pytest.raises(RuntimeError, match="This client was closed; make a new one"):
            closed.payments.retrieve("pay_1")


def test_a_closed_asynchronous_client_says_so() -> None:
    async def call() -> None:
        client = AsyncPaySaferClient(SECRET_KEY)
        await client.close()
        with pytest.raises(RuntimeError, match="This client was closed; make a new one"):
            await client.payments.retrieve("pay_1")

    asyncio.run(call())


class Closing(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Notes how often it was closed."""

    def __init__(self) -> None:
        self.closings = 0

    def close(self) -> None:
        self.closings += 1

    async def aclose(self) -> None:
        self.closings += 1


def test_closing_a_client_closes_the_transport_it_was_given() -> None:
    async def use(transport: Closing) -> None:
        async with AsyncPaySaferClient(SECRET_KEY, transport=transport):
            pass

    blocking, awaited = Closing(), Closing()
    with PaySaferClient(SECRET_KEY, transport=blocking):
        pass
    asyncio.run(use(awaited))
    assert (blocking.closings, awaited.closings) == (1, 1)


def test_trusted_certificates_are_read_once() -> None:
    from flask_paysafer.client.transport import Pool

    contexts = [Pool("https://api.paysafer.me/v1")._server.ssl_context for _ in range(2)]
    assert contexts[0] is contexts[1]
    assert Pool("http://127.0.0.1/v1")._server.ssl_context is None
