"""The shop under attack: its handlers write rows, fail now and then, or for ever."""

from __future__ import annotations

import logging
import os
import random
import secrets
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_paysafer import Event, PaySafer, Webhook
from flask_paysafer.inbox.records import Claim
from flask_paysafer.state import get_state
from flask_paysafer.webhooks.handlers import Job
from flask_paysafer.webhooks.runner import PlainRun

SECRET = "whsec_0123456789abcdef"
READY = 0
"""What a web worker sends first; only then is it worth killing."""

HANDLERS = ("fulfil", "flaky", "poisoned", "slow")


class Base(DeclarativeBase):
    """The shop's models."""


db = SQLAlchemy(model_class=Base)


class Effect(db.Model):  # type: ignore[name-defined,misc]  # made by Flask-SQLAlchemy
    """One row for each time a handler had its effect: nothing keeps it unique."""

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(80))
    handler: Mapped[str] = mapped_column(String(80))


@dataclass(frozen=True, slots=True)
class Settings:
    """What a process of the shop needs to know."""

    database: str
    folder: str
    broker: str | None = None
    queue: str = "celery"
    reversed_ledger: bool = False


class ReversedRun(PlainRun):
    """What others do: the handler commits, and then it is noted that it did."""

    def run(self, claim: Claim, event: Event, job: Job, *, closes: bool) -> bool:
        """Commit the handler's writes; note it afterwards."""
        with self._app.app_context():
            job.run(event)
            db.session.commit()
        time.sleep(0.03)  # as long as a kill needs to meet it on a machine that is busy, too
        return self._inbox.ledger.note_done(claim, job.name, closes=closes)


def create_app(settings: Settings) -> Flask:
    """Return the shop."""
    app = Flask("shop", instance_path=settings.folder)
    connect = {"timeout": 5} if settings.database.startswith("sqlite") else {}
    app.config.update(
        SQLALCHEMY_DATABASE_URI=settings.database,
        SQLALCHEMY_ENGINE_OPTIONS={"connect_args": connect, "pool_pre_ping": True},
        PAYSAFER_WEBHOOK_SECRET=SECRET,
        PAYSAFER_LEASE=1,
        PAYSAFER_DISPATCH="celery" if settings.broker else "inline",
        PAYSAFER_HANDLER_MAX_ATTEMPTS=12,
        PAYSAFER_HANDLER_RETRY_BASE=1e-4,
    )
    if "PAYSAFER_CHAOS_QUIET" in os.environ:
        logging.disable(logging.CRITICAL)
    db.init_app(app)
    paysafer = PaySafer(db=db)
    _register_handlers(paysafer)
    if settings.broker:
        app.extensions["celery"] = _make_celery(settings)
    paysafer.init_app(app)
    if settings.reversed_ledger:
        run: Any = get_state(app).event_run
        run._job_run = ReversedRun(app, get_state(app).inbox)
    return app


def _make_celery(settings: Settings) -> Celery:
    celery = Celery("chaos", broker=settings.broker, set_as_current=False)
    celery.conf.update(task_default_queue=settings.queue, task_ignore_result=True)
    return celery


def _register_handlers(paysafer: PaySafer) -> None:
    chance = random.Random(secrets.randbits(64))

    def note(event: Event, handler: str) -> None:
        db.session.add(Effect(event_id=event.id, handler=handler))
        db.session.flush()

    @paysafer.on("payment.*", name="fulfil")
    def fulfil(event: Event) -> None:
        note(event, "fulfil")

    @paysafer.on("payment.*", name="flaky")
    def flaky(event: Event) -> None:
        note(event, "flaky")
        if chance.random() < 0.15:
            raise ConnectionError("the warehouse does not answer")

    @paysafer.on("payment.*", name="poisoned")
    def poisoned(event: Event) -> None:
        note(event, "poisoned")
        if event.data.get("description") == "poison":
            raise ValueError("this will never work")

    @paysafer.on("payment.*", name="slow")
    def slow(event: Event) -> None:
        note(event, "slow")
        time.sleep(chance.random() * 0.01)


def serve(settings: Settings, inbound: Connection) -> None:
    """Be a web worker: take bodies from a pipe, answer with the status, until killed."""
    client = create_app(settings).test_client()
    inbound.send(READY)
    while True:
        body = inbound.recv_bytes()
        headers = {"PaySafer-Signature": Webhook.sign(body, SECRET)}
        answer = client.post(
            "/paysafer/webhook", data=body, headers=headers, content_type="application/json"
        )
        inbound.send(answer.status_code)


def work(settings: Settings, inbound: Connection) -> None:
    """Be a queue worker with beat in it, until killed."""
    celery = create_app(settings).extensions["celery"]
    swept = 0.0
    with celery.connection_for_read() as connection:
        queue = celery.amqp.queues[settings.queue](connection.channel())
        queue.declare()
        while os.getppid() != 1:
            if time.monotonic() - swept > 0.3:
                celery.tasks["flask_paysafer.sweep"]("paysafer")
                swept = time.monotonic()
            message = queue.get()
            if message is None:
                time.sleep(0.01)
                continue
            celery.tasks[message.headers["task"]](*message.decode()[0])
            message.ack()


def set_up(settings: Settings) -> None:
    """Make the tables."""
    Path(settings.folder).mkdir(exist_ok=True)
    app = create_app(settings)
    with app.app_context():
        db.create_all()
    with app.app_context():
        db.engine.dispose()
