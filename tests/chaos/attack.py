"""Deliver events as PaySafer would, and break things meanwhile."""

from __future__ import annotations

import heapq
import multiprocessing
import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from tests.inbox.events import event_body

from .shop import Settings, serve, work

Fault = Callable[[], None]

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tests.chaos.shop",
        "flask_paysafer.extension",
        "flask_paysafer.inbox.engine",
        "flask_paysafer.webhooks.runner",
        "flask_paysafer.webhooks.transactions",
        "flask_paysafer.tasks",
        "kombu.transport.redis",
        "psycopg",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite",
    ]
)


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything, from one seed."""

    seed: int
    events: int
    kills: int
    workers: int = 3
    queue_workers: int = 0
    deadline: float = 120.0
    poison_deliveries: int = 6

    def bodies(self) -> dict[str, bytes]:
        """Return the events; one in twenty is poison."""
        return {
            f"evt_{number}": event_body(
                f"evt_{number}",
                data={
                    "id": f"pay_{number}",
                    "description": "poison" if number % 20 == 7 else "good",
                },
            )
            for number in range(self.events)
        }


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    delivering: str | None = None
    is_ready: bool = False


@dataclass
class Attack:
    """One run: deliveries go out, faults strike, until every delivery is accepted.

    :param faults: Struck in turn, each once, spread over the run.
    """

    plan: Plan
    settings: Settings
    faults: Sequence[Fault] = ()
    kills: int = 0
    deliveries: int = 0
    struck: int = 0
    _due: list[tuple[float, str]] = field(default_factory=list)
    _refused: dict[str, int] = field(default_factory=dict)
    _web: list[_Worker] = field(default_factory=list)
    _queue: list[_Worker] = field(default_factory=list)

    def run(self) -> None:
        """Deliver everything, whatever happens; leaves queue workers running until :meth:`end`."""
        self._rng = random.Random(self.plan.seed)
        self._bodies = self.plan.bodies()
        self._schedule()
        self._web = [self._start(serve) for _ in range(self.plan.workers)]
        self._queue = [self._start(work) for _ in range(self.plan.queue_workers)]
        self._deadline = time.monotonic() + self.plan.deadline
        faults = list(self.faults)
        steps = max(1, self.plan.kills // (len(faults) + 1))
        while self._is_unfinished():
            assert time.monotonic() < self._deadline, "deliveries never came to an end"
            self._deliver_what_is_due()
            self._take_answers()
            if self.kills < self.plan.kills and self._rng.random() < 0.15:
                self._kill_one()
                if faults and self.kills % steps == 0:
                    faults.pop()()
                    self.struck += 1

    def _schedule(self) -> None:
        ids = list(self._bodies)
        ids += self._rng.sample(ids, len(ids) // 4)  # duplicates
        self._rng.shuffle(ids)  # and out of order
        now = time.monotonic()
        self._due = [(now + position * 0.002, event_id) for position, event_id in enumerate(ids)]
        heapq.heapify(self._due)

    def _is_unfinished(self) -> bool:
        return bool(self._due) or any(worker.delivering for worker in self._web)

    def _start(self, role: Callable[[Settings, Connection], None]) -> _Worker:
        ours, theirs = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=role, args=(self.settings, theirs), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours)

    def _deliver_what_is_due(self) -> None:
        for worker in self._web:
            if not self._due or self._due[0][0] > time.monotonic():
                return
            if worker.is_ready and worker.delivering is None:
                _, event_id = heapq.heappop(self._due)
                self._send(worker, event_id)

    def _send(self, worker: _Worker, event_id: str) -> None:
        worker.delivering = event_id
        self.deliveries += 1
        with suppress(BrokenPipeError, ConnectionResetError):  # killed: its pipe will tell
            worker.pipe.send_bytes(self._bodies[event_id])

    def _take_answers(self) -> None:
        pipes = {worker.pipe: worker for worker in self._web}
        for pipe in wait(list(pipes), timeout=0.005):
            worker = pipes[pipe]  # type: ignore[index]  # wait() knows other kinds, too
            self._take_answer(worker)

    def _take_answer(self, worker: _Worker) -> None:
        event_id = worker.delivering
        try:
            status = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._replace(worker, self._web, serve)
            status = 0
        worker.delivering, worker.is_ready = None, True
        if event_id is not None and status != 200:
            self._come_again(event_id, status)

    def _come_again(self, event_id: str, status: int) -> None:
        if status == 500:
            self._refused[event_id] = self._refused.get(event_id, 0) + 1
        is_poison = b'"poison"' in self._bodies[event_id]
        if is_poison and self._refused.get(event_id, 0) >= self.plan.poison_deliveries:
            return
        heapq.heappush(self._due, (time.monotonic() + 0.05 + self._rng.random() * 0.2, event_id))

    def _kill_one(self) -> None:
        busy = [worker for worker in self._web if worker.delivering]
        victims = busy + self._queue
        if not victims:
            return
        worker = self._rng.choice(victims)
        self.kills += 1
        time.sleep(self._rng.random() * 0.03)  # anywhere in its work
        worker.process.kill()
        if worker in self._queue:
            self._replace(worker, self._queue, work)

    def _replace(
        self,
        worker: _Worker,
        among: list[_Worker],
        role: Callable[[Settings, Connection], None],
    ) -> None:
        worker.process.join()
        worker.pipe.close()
        among[among.index(worker)] = self._start(role)

    def end(self) -> None:
        """Kill what is left."""
        for worker in self._web + self._queue:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
