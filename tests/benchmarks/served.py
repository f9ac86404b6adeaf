"""Events per second of a shop behind gunicorn, beside the hand-written shop behind the same."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager

from flask import Flask

from .findings import Finding, Goal
from .measuring import Effort, Measure, interleave
from .places import postgresql
from .shops import PATH, Delivery, by_hand, delivery, with_the_extension

CONNECTIONS = 8
EACH = 25
_SHOPS = {"ours": with_the_extension, "by hand": by_hand}


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding."""
    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(CONNECTIONS))
        measures: dict[str, Measure] = {}
        for name in _SHOPS:
            url = stack.enter_context(postgresql())
            port = stack.enter_context(_gunicorn(name, url))
            measures[name] = _rate(port, threads)
        series = interleave(measures, effort.rounds)
    yield Finding(
        f"gunicorn, 2 workers, PostgreSQL, {CONNECTIONS} connections",
        "hand-written durable view, same server",
        Goal(0.85, at_least=True),
        series["ours"],
        series["by hand"],
        "per second",
    )


def create_app() -> Flask:
    """Return the shop that the environment names; gunicorn calls this."""
    return _SHOPS[os.environ["BENCH_SHOP"]](os.environ["BENCH_URL"], _fulfil)


def _fulfil(_: object) -> None:
    """Do nothing: the shop's own work is no matter of ours."""


@contextmanager
def _gunicorn(shop: str, url: str) -> Iterator[int]:
    """Give the port of a server with two workers of four threads."""
    _SHOPS[shop](url, _fulfil)  # makes the tables, before two workers would at once
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.set_inheritable(True)
        # As gunicorn sets it on sockets that it opens itself; connections inherit it.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        command = [
            *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listening.fileno()}"),
            *("--workers", "2", "--worker-class", "gthread", "--threads", "4"),
            *("--log-level", "error", f"{__name__}:create_app()"),
        ]
        environment = {**os.environ, "BENCH_SHOP": shop, "BENCH_URL": url}
        with subprocess.Popen(
            command, pass_fds=[listening.fileno()], env=environment, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield listening.getsockname()[1]
            finally:
                process.terminate()


def _rate(port: int, threads: ThreadPoolExecutor) -> Measure:
    connections = [_Connection(port) for _ in range(CONNECTIONS)]

    def measured() -> float:
        work = [[delivery() for _ in range(EACH)] for _ in connections]
        before = time.perf_counter()
        list(threads.map(_Connection.send_all, connections, work))
        return CONNECTIONS * EACH / (time.perf_counter() - before)

    return measured


class _Connection:
    """A kept connection that sends each delivery in one piece.

    The standard library's client sends head and body apart, and then waits 40 ms for
    the acknowledgement of the first: it would measure that.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send_all(self, work: list[Delivery]) -> None:
        """Send each delivery after the answer to the one before."""
        for one in work:
            head = (
                f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                f"PaySafer-Signature: {one.signature}\r\nContent-Length: {len(one.body)}\r\n\r\n"
            )
            self._socket.sendall(head.encode() + one.body)
            answer = http.client.HTTPResponse(self._socket, method="POST")
            answer.begin()
            answer.read()
            if answer.status != 200:
                raise AssertionError(f"the shop answered {answer.status}")
