"""A shop as a merchant has it, for real workers: ``celery -A tests.tasks.worker_shop worker -B``.

Its settings come from the environment. Its handler writes a row; a description says
what else it does.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_paysafer import Event, PaySafer
from tests.tasks.shops import SECRET, make_celery


class Base(DeclarativeBase):
    """The shop's models."""


db = SQLAlchemy(model_class=Base)
paysafer = PaySafer(db=db)


class Fulfilment(db.Model):  # type: ignore[name-defined,misc]  # made by Flask-SQLAlchemy
    """One row per effect: there is no unique key, so that a double effect shows."""

    id: Mapped[int] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(String(80))


_FULFILL = Fulfilment.__table__.insert()


@paysafer.on("payment.completed", name="fulfil")
def fulfil(event: Event) -> None:
    """Write a row, and die once where the event says so."""
    db.session.execute(_FULFILL, {"event_id": event.id})
    if event.data.get("description") == "kill once":
        mark = Path(os.environ["SHOP_FOLDER"]) / event.id
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
            signal.pause()


def create_app() -> Flask:
    """Return the shop."""
    app = Flask("shop", instance_path=os.environ["SHOP_FOLDER"])
    app.config.update(
        SQLALCHEMY_DATABASE_URI=os.environ["SHOP_DATABASE"],
        PAYSAFER_WEBHOOK_SECRET=SECRET,
        PAYSAFER_DISPATCH="celery",
        PAYSAFER_SWEEP_INTERVAL=1,
        PAYSAFER_LEASE=2,
    )
    db.init_app(app)
    paysafer.init_app(app)
    app.extensions["celery"] = make_celery(
        os.environ["SHOP_BROKER"], queue=os.environ["SHOP_QUEUE"]
    )
    return app


def _celery() -> Celery:
    found: Celery = create_app().extensions["celery"]
    return found


if "SHOP_BROKER" in os.environ:
    celery_app = _celery()
