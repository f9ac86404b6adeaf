"""A server as fast as Python has one: it answers every request with the same payment.

``python -m tests.benchmarks.answering`` prints its port and serves until it is ended.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

PAYMENT = (
    b'{"id": "pay_1NRv2H2eZvKYlo2CkMzPF4fS", "object": "payment", "amount": 15000, '
    b'"amount_received": 15000, "currency": "aed", "status": "succeeded", '
    b'"description": "Invoice #INV-2025-0042", "payment_method": "pm_card_visa", '
    b'"customer": "cus_9s6XKzkNRiz8i3", "metadata": {"order_id": "order_1234", '
    b'"product": "Premium Plan"}, "receipt_email": "customer@example.com", '
    b'"created": 1709472000, "livemode": true}'
)
_ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: req_1\r\n"
    b"X-RateLimit-Limit: 1000\r\nX-RateLimit-Remaining: 999\r\nX-RateLimit-Reset: 60\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(PAYMENT), PAYMENT)
)
_LENGTH = re.compile(rb"(?i)content-length: *([0-9]+)")


class _Answering(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            found = _LENGTH.search(self._received, 0, end)
            length = end + 4 + (int(found[1]) if found else 0)
            if len(self._received) < length:
                return
            self._received = self._received[length:]
            assert isinstance(self._transport, asyncio.WriteTransport)
            self._transport.write(_ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def server() -> Iterator[str]:
    """Give the address of a server in a process of its own."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


if __name__ == "__main__":
    asyncio.run(_serve())
