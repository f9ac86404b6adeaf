"""Deliver every event to every endpoint that wants it, until it is accepted or given up.

One thread per endpoint with something to wait for, so that a slow shop delays nobody else,
and first attempts arrive in the order of the events. Nothing is sent while the store is
locked: a shop may call the API back from inside its webhook.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .clock import VirtualClock
from .errors import ApiError
from .faults import Faults
from .payments import expire_authorisation
from .resources import Account, wants
from .sender import Signer
from .store import Row, Store, Tenant, new_id, shown

RETRY_SECONDS = (60, 300, 1800, 7200, 28800, 86400)
"""Virtual seconds between a failed attempt and the next: the documented schedule."""

HELD_BACK_SECONDS = 2
"""How long a delivery that is to change places waits for one to change with."""


class _Job(NamedTuple):
    """One attempt that waits; the tuple's order is the order of delivery."""

    due: float
    seq: int
    tenant: Tenant
    delivery: str
    is_resend: bool = False


class Deliveries:
    """The deliveries of all tenants, and the threads that carry them out."""

    def __init__(self, store: Store, clock: VirtualClock, faults: Faults, signer: Signer) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._signer = signer
        self._queues: dict[str, list[_Job]] = {}
        self._workers: set[str] = set()
        self._in_flight = 0
        self._closed = False

    def resume(self) -> None:
        """Go on with what a kept store says is pending."""
        with self._store.changed:
            for tenant, row in self._store.rows("delivery"):
                if row["status"] == "pending":
                    self._enqueue(row, _Job(row["_due"], row["_seq"], tenant, row["id"]))

    def announce(self, tenant: Tenant, event: Row) -> None:
        """Make the deliveries of a new event; inside the transaction that made it."""
        for endpoint in self._store.table("webhook_endpoint", tenant).rows.values():
            if wants(endpoint, event["type"]):
                self._schedule(tenant, event, endpoint)

    def _schedule(self, tenant: Tenant, event: Row, endpoint: Row) -> None:
        now = self._clock.now()
        row = self._store.put(
            "delivery",
            tenant,
            {
                "id": new_id("dlv"),
                "object": "delivery",
                "event": event["id"],
                "event_type": event["type"],
                "endpoint": endpoint["id"],
                "url": endpoint["url"],
                "status": "pending",
                "attempts": [],
                "next_attempt_at": int(now),
                "created": int(now),
                "_due": now,
            },
        )
        self._enqueue(row, _Job(now, row["_seq"], tenant, row["id"]))

    def _enqueue(self, delivery: Row, job: _Job) -> None:
        endpoint = delivery["endpoint"]
        heapq.heappush(self._queues.setdefault(endpoint, []), job)
        if endpoint not in self._workers and not self._closed:
            self._workers.add(endpoint)
            threading.Thread(
                target=self._run, args=(endpoint,), name=f"deliveries-{endpoint}", daemon=True
            ).start()
        self._store.changed.notify_all()

    def _run(self, endpoint: str) -> None:
        try:
            while (job := self._next_job(endpoint)) is not None:
                self._carry_out(job)
        except BaseException:
            # Nothing else notices that this thread ended; the next event starts another.
            with self._store.changed:
                self._workers.discard(endpoint)
            raise

    def _carry_out(self, job: _Job) -> None:
        try:
            self._deliver(job)
        finally:
            with self._store.changed:
                self._in_flight -= 1
                self._store.changed.notify_all()

    def _next_job(self, endpoint: str) -> _Job | None:
        """Wait until something is due for the endpoint; None when nothing ever will be."""
        with self._store.changed:
            while not self._closed and (head := self._head(endpoint)) is not None:
                wait = self._clock.real_seconds_until(head.due)
                if wait != 0:
                    self._store.changed.wait(wait)
                elif (job := self._pop(endpoint)) is not None:
                    self._in_flight += 1
                    return job
            self._workers.discard(endpoint)
            return None

    def _head(self, endpoint: str) -> _Job | None:
        """Return the endpoint's next job, past those that something else has settled."""
        queue = self._queues.get(endpoint, [])
        while queue and not self._is_wanted(queue[0]):
            heapq.heappop(queue)
        return queue[0] if queue else None

    def _is_wanted(self, job: _Job) -> bool:
        row = self._store.get("delivery", job.tenant, job.delivery)
        return row is not None and (job.is_resend or row["status"] == "pending")

    def _pop(self, endpoint: str) -> _Job | None:
        """Take the next job; None if a fault holds it back for one that comes after it."""
        queue = self._queues[endpoint]
        job = heapq.heappop(queue)
        if job.is_resend or not self._fault("reorder", job):
            return job
        follower = self._head(endpoint)
        if follower is None or follower.due > self._clock.now():
            heapq.heappush(queue, job._replace(due=self._clock.now() + HELD_BACK_SECONDS))
            self._store.changed.notify_all()  # it is no longer due: who waits for that, wakes
            return None
        heapq.heapreplace(queue, job)
        return follower

    def _fault(self, name: str, job: _Job) -> bool:
        kinds = {"reorder": "reorder-deliveries", "duplicate": "duplicate-delivery"}
        row = self._store.get("delivery", job.tenant, job.delivery)
        path = urlsplit(row["url"]).path if row else ""
        return self._faults.take((kinds[name],), "POST", path) is not None

    def _deliver(self, job: _Job) -> None:
        with self._store.changed:
            delivery = self._store.get("delivery", job.tenant, job.delivery)
            if delivery is None:
                return
            endpoint = self._store.get("webhook_endpoint", job.tenant, delivery["endpoint"])
            event = self._store.get("event", job.tenant, delivery["event"])
            times = 2 if self._fault("duplicate", job) else 1
        if endpoint is None or event is None:
            self._give_up(job)
            return
        attempts = [self._signer.deliver(event, endpoint) for _ in range(times)]
        self._record(job, attempts)

    def _give_up(self, job: _Job) -> None:
        with self._store.transaction():
            row = self._store.get("delivery", job.tenant, job.delivery)
            if row is not None:
                self._settle(job.tenant, row, "failed")

    def _record(self, job: _Job, attempts: list[dict[str, Any]]) -> None:
        with self._store.transaction():
            row = self._store.get("delivery", job.tenant, job.delivery)
            if row is None:  # the sandbox was reset meanwhile
                return
            row = {**row, "attempts": [*row["attempts"], *attempts]}
            if any(attempt["accepted"] for attempt in attempts):
                self._settle(job.tenant, row, "delivered")
            elif job.is_resend:
                self._store.put("delivery", job.tenant, row)
            else:
                self._try_later(job, row)

    def _settle(self, tenant: Tenant, row: Row, status: str) -> None:
        self._store.put(
            "delivery", tenant, {**row, "status": status, "next_attempt_at": None, "_due": None}
        )

    def _try_later(self, job: _Job, row: Row) -> None:
        failures = row.get("_failures", 0)
        if failures == len(RETRY_SECONDS):
            self._settle(job.tenant, row, "failed")
            return
        # Counted from when it was due, not from when it was sent: stepping through
        # the schedule then takes exactly the sum of its waits.
        due = job.due + RETRY_SECONDS[failures]
        row = {**row, "next_attempt_at": int(due), "_due": due, "_failures": failures + 1}
        self._store.put("delivery", job.tenant, row)
        self._enqueue(row, _Job(due, row["_seq"], job.tenant, row["id"]))

    def resend(self, delivery_id: str) -> Row:
        """Deliver once more, now, whatever the status; return it after that attempt.

        :raises ApiError: 404 if there is no such delivery, or its endpoint was deleted.
        """
        with self._store.changed:
            tenant, row = self._find(delivery_id)
            self._enqueue(row, _Job(self._clock.now(), 0, tenant, delivery_id, is_resend=True))
            self.drain()
            return shown(self._find(delivery_id)[1])

    def _find(self, delivery_id: str) -> tuple[Tenant, Row]:
        for tenant, row in self._store.rows("delivery"):
            if row["id"] == delivery_id:
                if self._store.get("webhook_endpoint", tenant, row["endpoint"]) is None:
                    raise ApiError("resource_missing", "This delivery's endpoint was deleted.")
                return tenant, row
        raise ApiError("resource_missing", f"No such delivery: {delivery_id[:100]}")

    def drain(self) -> None:
        """Wait until everything that is due was attempted."""
        with self._store.changed:
            while not self._closed and (self._in_flight or self._is_anything_due()):
                self._store.changed.wait()

    def _is_anything_due(self) -> bool:
        now = self._clock.now()
        return any(job.due <= now for job in self._heads())

    def _heads(self) -> Iterator[_Job]:
        return (job for job in map(self._head, list(self._queues)) if job is not None)

    def next_due(self) -> float | None:
        """Return when the next attempt is due, or None if no delivery is pending."""
        return min((job.due for job in self._heads()), default=None)

    def forget(self) -> None:
        """Drop everything that waits."""
        self._queues.clear()
        self._store.changed.notify_all()

    def close(self) -> None:
        """Let the threads end; what waits stays in a kept store."""
        with self._store.changed:
            self._closed = True
            self._store.changed.notify_all()


class Authorisations:
    """When each authorisation ends; the caller holds the store's lock."""

    def __init__(self, store: Store, account: Callable[[Tenant], Account]) -> None:
        self._store = store
        self._account = account
        self._ends: list[tuple[float, Tenant, str]] = []
        for tenant, payment in store.rows("payment"):
            self.watch(tenant, payment)

    def watch(self, tenant: Tenant, payment: Row) -> None:
        """Take note of a payment that may be authorised now."""
        if payment.get("_expires") is not None:
            heapq.heappush(self._ends, (payment["_expires"], tenant, payment["id"]))

    def expire(self, now: float) -> None:
        """Cancel what ran out by ``now``."""
        while self._ends and self._ends[0][0] <= now:
            _, tenant, payment_id = heapq.heappop(self._ends)
            with self._store.transaction():
                payment = self._store.get("payment", tenant, payment_id)
                if payment is not None:
                    expire_authorisation(self._account(tenant), payment, now)

    def clear(self) -> None:
        """Remove all entries."""
        self._ends.clear()
