"""Asynchronous calls that are cancelled or timed out leave no slot of the pool taken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from flask_paysafer.client import AsyncPaySaferClient
from flask_paysafer.client.transport import MAX_CONNECTIONS, AsyncPool
from flask_paysafer.errors import APITimeoutError

from .driving import SECRET_KEY
from .servers import response

BODY = b'{"id": "pay_1", "object": "payment", "amount": 1, "currency": "aed"}'


@asynccontextmanager
async def server(delay: float = 0.0) -> AsyncIterator[str]:
    """Answers each request in two parts, a moment apart."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        whole = response(BODY)
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                await asyncio.sleep(delay)
                writer.write(whole[:30])
                await asyncio.sleep(0)
                writer.write(whole[30:])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"


def pool_of(client: AsyncPaySaferClient) -> AsyncPool:
    ((pool, _),) = client._connections._pools.values()
    return pool


async def at_once(client: AsyncPaySaferClient, count: int) -> None:
    calls = (client.payments.retrieve("pay_1") for _ in range(count))
    assert {one.id for one in await asyncio.gather(*calls)} == {"pay_1"}


async def cancel_many(client: AsyncPaySaferClient, count: int) -> None:
    """Cancel calls in every stage: waiting for a slot, connecting, sending, reading."""
    tasks = [asyncio.create_task(client.payments.retrieve("pay_1")) for _ in range(count)]
    for number, task in enumerate(tasks):
        if number % 10 == 0:
            await asyncio.sleep(0)
        task.cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(one, asyncio.CancelledError) for one in ended)


def test_cancelled_calls_leave_the_whole_pool() -> None:
    async def run() -> None:
        async with (
            server() as base_url,
            AsyncPaySaferClient(SECRET_KEY, base_url=base_url, max_retries=0) as client,
        ):
            await at_once(client, MAX_CONNECTIONS)
            for _ in range(20):
                await cancel_many(client, 200)
            await at_once(client, MAX_CONNECTIONS)
            assert pool_of(client)._slots._value == MAX_CONNECTIONS

    asyncio.run(run())


@pytest.mark.parametrize("timeout", [0.001, 0.02])
def test_timed_out_calls_leave_the_whole_pool(timeout: float) -> None:
    async def run() -> None:
        async with (
            server(0.05) as base_url,
            AsyncPaySaferClient(SECRET_KEY, base_url=base_url, max_retries=0) as client,
        ):
            calls = (
                client.payments.retrieve("pay_1", timeout=timeout)
                for _ in range(3 * MAX_CONNECTIONS)
            )
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert {type(one) for one in ended} == {APITimeoutError}
            await at_once(client, MAX_CONNECTIONS)
            assert pool_of(client)._slots._value == MAX_CONNECTIONS

    asyncio.run(run())


def test_a_call_in_a_timeout_of_the_caller_s_own_leaves_its_slot() -> None:
    async def run() -> None:
        async with (
            server(5.0) as base_url,
            AsyncPaySaferClient(SECRET_KEY, base_url=base_url) as client,
        ):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await client.payments.retrieve("pay_1")
            assert pool_of(client)._slots._value == MAX_CONNECTIONS

    asyncio.run(run())
