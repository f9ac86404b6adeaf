"""A merchant's shop with habits: its engine, its session, its handler, over the real route."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from celery import Celery
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as Lite
from sqlalchemy import String, create_engine, delete, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_paysafer import PaySafer, Webhook
from flask_paysafer.inbox import add_tables
from flask_paysafer.inbox.migrations import make_tables
from flask_paysafer.state import AppState, get_state
from tests.inbox.events import event_body

SECRET = "whsec_0123456789abcdef"

Extension = Literal["flask-sqlalchemy", "flask-sqlalchemy-lite"]
Dispatch = Literal["inline", "celery"]


class Base(DeclarativeBase):
    """The shop's models."""


class Effect(Base):
    """Something that a handler did, as a row."""

    __tablename__ = "effect"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(200))


add_tables(Base.metadata)


@dataclass
class Shop:
    """One shop. ``configure`` is called before the extensions are joined to the app."""

    url: str
    folder: Path
    dispatch: Dispatch = "inline"
    extension: Extension = "flask-sqlalchemy"
    settings: dict[str, Any] = field(default_factory=dict)
    engine_options: dict[str, Any] = field(default_factory=dict)
    session_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.app = Flask("shop", instance_path=str(self.folder))
        self.app.config.update(
            PAYSAFER_WEBHOOK_SECRET=SECRET,
            PAYSAFER_DISPATCH=self.dispatch,
            PAYSAFER_HANDLER_RETRY_BASE=1,
            TESTING=True,
            SQLALCHEMY_DATABASE_URI=self.url,
            SQLALCHEMY_ENGINES={"default": self.url},
            **self.settings,
        )
        self.db = self._make_db()
        if self.dispatch == "celery":
            celery = Celery("shop", broker="memory://", set_as_current=False)
            celery.conf.update(task_always_eager=True, task_ignore_result=True)
            self.app.extensions["celery"] = celery
        self.paysafer = PaySafer(db=self.db)
        self.paysafer.init_app(self.app)
        self._watcher = create_engine(self.url)
        make_tables(self._watcher, self.state.inbox.database.tables)
        Base.metadata.create_all(self._watcher)
        with self._watcher.begin() as connection:
            for table in reversed(
                Base.metadata.sorted_tables
            ):  # the database may be an earlier shop's
                if table.name != "paysafer_schema":
                    connection.execute(delete(table))

    def _make_db(self) -> Any:
        options: dict[str, Any] = {
            # Copies: Flask-SQLAlchemy adds its own to what it is given.
            "engine_options": {**self.engine_options},
            "session_options": {**self.session_options},
        }
        if self.extension == "flask-sqlalchemy-lite":
            return Lite(self.app, **options)
        db = SQLAlchemy(model_class=Base, **options)
        db.init_app(self.app)
        return db

    @property
    def state(self) -> AppState:
        """The extension's own objects."""
        return get_state(self.app)

    @property
    def session(self) -> Any:
        """What the handler uses."""
        return self.db.session

    def add(self, what: str) -> None:
        """Write a row in the handler's session."""
        self.session.add(Effect(what=what))

    def deliver(self, event_id: str = "evt_1") -> int:
        """Deliver an event as PaySafer does, and return the answer's status."""
        return self.deliver_body(event_body(event_id))

    def deliver_body(self, body: bytes) -> int:
        """Deliver these bytes, and return the answer's status."""
        answer = self.app.test_client().post(
            "/paysafer/webhook",
            data=body,
            content_type="application/json",
            headers={"PaySafer-Signature": Webhook.sign(body, SECRET)},
        )
        json.loads(answer.data)
        return answer.status_code

    def deliver_again(self, event_id: str = "evt_1") -> int:
        """Have the event tried again: PaySafer retries, or the worker when it is due."""
        if self.dispatch == "inline":
            return self.deliver(event_id)
        event = self.state.inbox.database.tables.event
        with self._watcher.begin() as connection:
            connection.execute(
                event.update()
                .where(event.c.event_id == event_id, event.c.state == "pending")
                .values(due_at=0)
            )
        self.state.backlog.sweep(10)
        return 200

    def effects(self) -> list[str]:
        """Return what is written, as another connection sees it."""
        with self._watcher.connect() as connection:
            return list(connection.scalars(select(Effect.what).order_by(Effect.id)))

    def executions(self) -> int:
        """Return how many handlers are recorded as done."""
        with self._watcher.connect() as connection:
            table = self.state.inbox.database.tables.handler_run
            return connection.scalar(select(func.count()).select_from(table)) or 0

    def event_state(self, event_id: str = "evt_1") -> str:
        """Return the event's state, as another connection sees it."""
        event = self.state.inbox.database.tables.event
        with self._watcher.connect() as connection:
            found = connection.scalar(select(event.c.state).where(event.c.event_id == event_id))
        return str(found)

    def errors(self) -> list[str]:
        """Return the stored texts of failures."""
        with self._watcher.connect() as connection:
            return list(
                connection.scalars(select(self.state.inbox.database.tables.failure.c.error))
            )

    def close(self) -> None:
        """Give back all connections."""
        with self.app.app_context():
            engines = [*self.db.engines.values()]
        for engine in engines:
            engine.dispose()
        self._watcher.dispose()
