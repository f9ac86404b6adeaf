"""Deliver every event to every endpoint that wants it, until it is taken or given up.

One thread per endpoint that has something to wait for, so that a slow shop
holds up nobody else, and first attempts arrive in the order of the events.
Nothing is sent while the ledger is locked: a shop may call the API back from
inside its webhook.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from .clock import VirtualClock
from .endpoints import wants
from .failures import ApiError
from .faults import Faults
from .ids import new_id
from .ledger import Ledger, Row, shown
from .postman import Postman
from .realms import Realm

RETRY_SECONDS = (60, 300, 1800, 7200, 28800, 86400)
"""Virtual seconds between a failed attempt and the next: the documented schedule."""

HELD_BACK_SECONDS = 2
"""How long a delivery that is to change places waits for one to change with."""


class _Job(NamedTuple):
    """One attempt that waits; the tuple's order is the order of delivery."""

    due: float
    seq: int
    realm: Realm
    delivery: str
    is_resend: bool = False


class Deliveries:
    """The deliveries of all realms, and the threads that carry them out."""

    def __init__(
        self, ledger: Ledger, clock: VirtualClock, faults: Faults, postman: Postman
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._faults = faults
        self._postman = postman
        self._queues: dict[str, list[_Job]] = {}
        self._workers: set[str] = set()
        self._in_flight = 0
        self._closed = False

    def take_up(self) -> None:
        """Go on with what a kept ledger says is pending."""
        with self._ledger.changed:
            for realm, row in self._ledger.rows("delivery"):
                if row["status"] == "pending":
                    self._enqueue(row, _Job(row["_due"], row["_seq"], realm, row["id"]))

    def announce(self, realm: Realm, event: Row) -> None:
        """Make the deliveries of a new event; inside the transaction that made it."""
        for endpoint in self._ledger.shelf("webhook_endpoint", realm).rows.values():
            if wants(endpoint, event["type"]):
                self._schedule(realm, event, endpoint)

    def _schedule(self, realm: Realm, event: Row, endpoint: Row) -> None:
        now = self._clock.now()
        row = self._ledger.put(
            "delivery",
            realm,
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
        self._enqueue(row, _Job(now, row["_seq"], realm, row["id"]))

    def _enqueue(self, delivery: Row, job: _Job) -> None:
        endpoint = delivery["endpoint"]
        heapq.heappush(self._queues.setdefault(endpoint, []), job)
        if endpoint not in self._workers and not self._closed:
            self._workers.add(endpoint)
            threading.Thread(
                target=self._run, args=(endpoint,), name=f"deliveries-{endpoint}", daemon=True
            ).start()
        self._ledger.changed.notify_all()

    def _run(self, endpoint: str) -> None:
        try:
            while (job := self._next_job(endpoint)) is not None:
                self._carry_out(job)
        except BaseException:
            # Nobody else knows that this thread is gone; the next event starts another.
            with self._ledger.changed:
                self._workers.discard(endpoint)
            raise

    def _carry_out(self, job: _Job) -> None:
        try:
            self._deliver(job)
        finally:
            with self._ledger.changed:
                self._in_flight -= 1
                self._ledger.changed.notify_all()

    def _next_job(self, endpoint: str) -> _Job | None:
        """Wait until something is due for the endpoint; None when nothing ever will be."""
        with self._ledger.changed:
            while not self._closed and (head := self._head(endpoint)) is not None:
                wait = self._clock.real_seconds_until(head.due)
                if wait != 0:
                    self._ledger.changed.wait(wait)
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
        row = self._ledger.get("delivery", job.realm, job.delivery)
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
            self._ledger.changed.notify_all()  # it is no longer due: who waits for that, wakes
            return None
        heapq.heapreplace(queue, job)
        return follower

    def _fault(self, name: str, job: _Job) -> bool:
        kinds = {"reorder": "reorder-deliveries", "duplicate": "duplicate-delivery"}
        row = self._ledger.get("delivery", job.realm, job.delivery)
        path = urlsplit(row["url"]).path if row else ""
        return self._faults.take((kinds[name],), "POST", path) is not None

    def _deliver(self, job: _Job) -> None:
        with self._ledger.changed:
            delivery = self._ledger.get("delivery", job.realm, job.delivery)
            if delivery is None:
                return
            endpoint = self._ledger.get("webhook_endpoint", job.realm, delivery["endpoint"])
            event = self._ledger.get("event", job.realm, delivery["event"])
            times = 2 if self._fault("duplicate", job) else 1
        if endpoint is None or event is None:
            self._give_up(job)
            return
        attempts = [self._postman.deliver(event, endpoint) for _ in range(times)]
        self._record(job, attempts)

    def _give_up(self, job: _Job) -> None:
        with self._ledger.transaction():
            row = self._ledger.get("delivery", job.realm, job.delivery)
            if row is not None:
                self._settle(job.realm, row, "failed")

    def _record(self, job: _Job, attempts: list[dict[str, Any]]) -> None:
        with self._ledger.transaction():
            row = self._ledger.get("delivery", job.realm, job.delivery)
            if row is None:  # the sandbox was reset meanwhile
                return
            row = {**row, "attempts": [*row["attempts"], *attempts]}
            if any(attempt["accepted"] for attempt in attempts):
                self._settle(job.realm, row, "delivered")
            elif job.is_resend:
                self._ledger.put("delivery", job.realm, row)
            else:
                self._try_later(job, row)

    def _settle(self, realm: Realm, row: Row, status: str) -> None:
        self._ledger.put(
            "delivery", realm, {**row, "status": status, "next_attempt_at": None, "_due": None}
        )

    def _try_later(self, job: _Job, row: Row) -> None:
        failures = row.get("_failures", 0)
        if failures == len(RETRY_SECONDS):
            self._settle(job.realm, row, "failed")
            return
        # Counted from when it was due, not from when it was sent: stepping through
        # the schedule then takes exactly the sum of its waits.
        due = job.due + RETRY_SECONDS[failures]
        row = {**row, "next_attempt_at": int(due), "_due": due, "_failures": failures + 1}
        self._ledger.put("delivery", job.realm, row)
        self._enqueue(row, _Job(due, row["_seq"], job.realm, row["id"]))

    def resend(self, delivery_id: str) -> Row:
        """Deliver once more, now, whatever the status; return it after that attempt.

        :raises ApiError: 404 if there is no such delivery, or its endpoint was deleted.
        """
        with self._ledger.changed:
            realm, row = self._find(delivery_id)
            self._enqueue(row, _Job(self._clock.now(), 0, realm, delivery_id, is_resend=True))
            self.drain()
            return shown(self._find(delivery_id)[1])

    def _find(self, delivery_id: str) -> tuple[Realm, Row]:
        for realm, row in self._ledger.rows("delivery"):
            if row["id"] == delivery_id:
                if self._ledger.get("webhook_endpoint", realm, row["endpoint"]) is None:
                    raise ApiError("resource_missing", "This delivery's endpoint was deleted.")
                return realm, row
        raise ApiError("resource_missing", f"No such delivery: {delivery_id[:100]}")

    def drain(self) -> None:
        """Wait until everything that is due was attempted."""
        with self._ledger.changed:
            while not self._closed and (self._in_flight or self._is_anything_due()):
                self._ledger.changed.wait()

    def _is_anything_due(self) -> bool:
        now = self._clock.now()
        return any(job.due <= now for job in self._heads())

    def _heads(self) -> Iterator[_Job]:
        return (job for job in map(self._head, list(self._queues)) if job is not None)

    def next_due(self) -> float | None:
        """Return when the next attempt is due, or None if nothing waits."""
        return min((job.due for job in self._heads()), default=None)

    def forget(self) -> None:
        """Drop everything that waits."""
        self._queues.clear()
        self._ledger.changed.notify_all()

    def close(self) -> None:
        """Let the threads end; what waits stays in a kept ledger."""
        with self._ledger.changed:
            self._closed = True
            self._ledger.changed.notify_all()
