"""Small shops for tests: an app, its inbox, its handlers, with and without db=."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy_lite import SQLAlchemy as Lite
from sqlalchemy import String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_paysafer.config import Config
from flask_paysafer.inbox import add_tables, open_inbox
from flask_paysafer.inbox.migrations import make_tables
from flask_paysafer.webhooks.handlers import HandlerRegistry
from flask_paysafer.webhooks.runner import EventRun, InlineDispatcher
from tests.inbox.events import Delivered, deliver, event_body

Mode = Literal["plain", "flask-sqlalchemy", "flask-sqlalchemy-lite"]
MODES: tuple[Mode, ...] = ("plain", "flask-sqlalchemy", "flask-sqlalchemy-lite")
DB_MODES: tuple[Mode, ...] = ("flask-sqlalchemy", "flask-sqlalchemy-lite")


class Base(DeclarativeBase):
    """The shop's models."""


class Effect(Base):
    """Something a handler did, as a row."""

    __tablename__ = "effect"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(String(200))


add_tables(Base.metadata)
_flask_sqlalchemy = SQLAlchemy(model_class=Base)


class Shop:
    """One worker's view of a shop."""

    def __init__(self, mode: Mode, url: str, folder: Path, *, account: str = "paysafer") -> None:
        self.app = Flask("shop", instance_path=str(folder))
        self.db = _make_db(mode, self.app, url)
        inbox_url = url if self.db is None else None
        self.config = Config(name=account, inbox_url=inbox_url)
        self.registry = HandlerRegistry()
        self.on = self.registry.on
        self.inbox = open_inbox(self.config, self.app, db=self.db)
        self.run = EventRun(self.app, self.registry, self.inbox, db=self.db)
        self.dispatcher = InlineDispatcher(self.run, self.inbox)

    def set_up(self) -> Shop:
        """Make the tables."""
        make_tables(self.inbox.database.unprepared_engine, self.inbox.database.tables)
        if self.db is not None:
            Base.metadata.create_all(self.inbox.database.unprepared_engine)
        return self

    def deliver(self, body: bytes | None = None) -> Delivered:
        """Store and dispatch an event as the webhook does."""
        return deliver(self.inbox, self.dispatcher, body or event_body())

    def add(self, what: str) -> None:
        """Write a row in the handler's session."""
        self.db.session.add(Effect(what=what))

    def effects(self) -> list[str]:
        """Return what handlers did, in order."""
        with self.app.app_context():
            return list(self.db.session.scalars(select(Effect.what).order_by(Effect.id)))

    def close(self) -> None:
        """Give back all connections."""
        self.inbox.database.unprepared_engine.dispose()


def _make_db(mode: Mode, app: Flask, url: str) -> Any:
    if mode == "flask-sqlalchemy":
        app.config["SQLALCHEMY_DATABASE_URI"] = url
        _flask_sqlalchemy.init_app(app)
        return _flask_sqlalchemy
    if mode == "flask-sqlalchemy-lite":
        app.config["SQLALCHEMY_ENGINES"] = {"default": url}
        return Lite(app)
    return None
