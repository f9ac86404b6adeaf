"""Send requests over connections that belong to this process, and block for the answers."""

from __future__ import annotations

import os
import time
import weakref

from . import transport as network
from .answers import MAX_BYTES
from .bounds import bounded
from .wire import Answer, NoAnswer, Reply, Send, headers_of, is_clear_from_status

__all__ = ["SyncWire"]


class SyncWire:
    """Sends over pooled connections, or over a transport that was given.

    Pools are made when first used, one for each process: on a connection that a parent
    and its child share, one gets the answers of the other.
    """

    def __init__(self, transport: network.SyncTransport | None, *, base_url: str) -> None:
        self._origin = network.Origin(base_url)
        self._given = None if transport is None else network.given_connections(transport)
        self._made_in = os.getpid() if network.is_bound_to_process(transport) else None
        self._pools: dict[int, network.SyncConnections] = {}
        self._is_closed = False
        # A client that was forgotten, not closed, must not leave open sockets behind.
        weakref.finalize(self, _close_pool, self._pools).atexit = False

    def send(self, send: Send) -> Reply:
        """Send once, and read the answer, before the request expires."""
        if send.expires <= time.monotonic():
            return NoAnswer(sent=False, timed_out=True, reason="deadline")
        connections = self._connections()
        try:
            with bounded(send.expires):
                return _exchange(connections, send)
        except network.FAILURES as error:
            return network.no_answer(error)

    def _connections(self) -> network.SyncConnections:
        if self._is_closed:
            raise RuntimeError("This client was closed; make a new one.")
        pid = os.getpid()
        if self._given is not None:
            self._refuse_after_fork(pid)
            return self._given
        # setdefault, not a lock: one that another thread holds at a fork is never released.
        return self._pools.get(pid) or self._pools.setdefault(
            pid, network.pooled_connections(self._origin)
        )

    def _refuse_after_fork(self, pid: int) -> None:
        if self._made_in not in {None, pid}:
            raise RuntimeError(
                "This client's own transport was made before the process forked, so its "
                "connections belong to two processes. Make the client after the fork."
            )

    def close(self) -> None:
        """Close the connections; a closed client can't be used any more."""
        self._is_closed = True
        _close_pool(self._pools)
        if self._given is not None:
            self._given.close()


def _close_pool(pools: dict[int, network.SyncConnections]) -> None:
    # Only this process's: a parent's are in use there, and its locks may be held.
    pool = pools.pop(os.getpid(), None)
    if pool is not None:
        pool.close()


def _exchange(connections: network.SyncConnections, send: Send) -> Answer:
    opened = connections.open(send)
    body = bytearray()
    try:
        for chunk in opened.stream:
            body += chunk
            if len(body) > MAX_BYTES:
                break
            if send.expires <= time.monotonic():
                raise TimeoutError("the answer took too long")
    except network.FAILURES:
        if not is_clear_from_status(opened.status):
            raise
        body.clear()
    finally:
        opened.stream.close()
    return Answer(opened.status, headers_of(opened.headers), bytes(body))
