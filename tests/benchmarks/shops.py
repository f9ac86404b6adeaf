"""The shops that are measured: one with the extension, one whose author wrote it all by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Flask, request
from sqlalchemy import Connection, Engine, bindparam, create_engine, event, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import MetaData
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flask_paysafer import PaySafer
from flask_paysafer.inbox.database import now_ms
from flask_paysafer.inbox.migrations import make_tables
from flask_paysafer.inbox.tables import Tables, tables_in
from flask_paysafer.state import get_state

from . import bodies
from .verification import check_by_hand

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Fulfil = Callable[[Any], object]
"""The merchant's one handler."""

PATH = "/paysafer/webhook"


class Delivery(NamedTuple):
    """One request to the webhook route."""

    body: bytes
    signature: str


def delivery(body: bytes | None = None, *, age: int = 0) -> Delivery:
    """Return a delivery of ``body``, or of an event that was never sent before."""
    body = bodies.fresh() if body is None else body
    return Delivery(body, bodies.sign(body, age=age))


class Door:
    """Sends deliveries straight into an app, as a WSGI server would."""

    def __init__(
        self, app: WSGIApplication, *, path: str = PATH, header: str = "PaySafer-Signature"
    ) -> None:
        self._app = app
        self._header = f"HTTP_{header.upper().replace('-', '_')}"
        builder = EnvironBuilder(path, method="POST", content_type="application/json")
        self._environ = {**builder.get_environ(), "REMOTE_ADDR": "127.0.0.1"}
        builder.close()

    def send(self, sent: Delivery) -> str:
        """Deliver and return the status line."""
        environ = {
            **self._environ,
            "wsgi.input": BytesIO(sent.body),
            "CONTENT_LENGTH": str(len(sent.body)),
            self._header: sent.signature,
        }
        _, status, _ = run_wsgi_app(self._app, environ)
        return status

    def send_well(self, sent: Delivery) -> None:
        """Deliver, and insist on 200."""
        status = self.send(sent)
        if not status.startswith("200"):
            raise AssertionError(f"the shop answered {status}")


def with_the_extension(
    url: str, fulfil: Fulfil, *, extensions: Mapping[str, Any] = {}, **settings: object
) -> Flask:
    """Return a shop that uses the extension as its documentation says."""
    app = Flask("shop")
    app.extensions.update(extensions)
    app.config.from_mapping(PAYSAFER_WEBHOOK_SECRET=bodies.SECRET, PAYSAFER_INBOX_URL=url)
    app.config.from_mapping(settings)
    paysafer = PaySafer(app)
    paysafer.on("payment.completed", name="fulfil")(fulfil)
    database = get_state(app).inbox.database
    make_tables(database.unprepared_engine, database.tables)
    return app


def by_hand(url: str, fulfil: Fulfil) -> Flask:
    """Return a shop with the same statements and durability, in one view, with no extras."""
    app = Flask("by_hand")
    rows = HandWrittenRows(url)

    @app.post(PATH)
    def webhook() -> Any:
        body = request.get_data()
        try:
            check_by_hand(body, request.headers["PaySafer-Signature"])
        except ValueError:
            return "Invalid signature", 400
        happened = json.loads(body)
        with rows.engine.begin() as connection:
            key = rows.add(connection, happened, body)
        if key is None:
            return {"received": True, "duplicate": True}
        fulfil(happened)
        with rows.engine.begin() as connection:
            rows.finish(connection, key)
        return {"received": True}

    return app


class HandWrittenRows:
    """The inbox's statements through bare SQLAlchemy Core, each built once."""

    def __init__(self, url: str) -> None:
        self.engine = durable_engine(url)
        metadata = MetaData()
        tables = tables_in(metadata)
        metadata.create_all(self.engine)
        self._build(tables, {"sqlite": sqlite, "postgresql": postgresql}[self.engine.dialect.name])

    def _build(self, tables: Tables, dialect: Any) -> None:
        stored, run = tables.event, tables.handler_run
        times = {"received_at": now_ms(), "due_at": now_ms() + bindparam("due_in")}
        new = dialect.insert(stored).values(times).on_conflict_do_nothing()
        self._add = new.returning(stored.c.key)
        self._run = insert(run).values(done_at=now_ms())
        held = (stored.c.key == bindparam("held_key")) & (stored.c.fence == bindparam("held_fence"))
        done = {"state": "done", "due_at": None, "finished_at": now_ms()}
        self._finish = update(stored).where(held, stored.c.state == "processing").values(done)

    def add(self, connection: Connection, happened: Any, body: bytes) -> int | None:
        """Insert the event, claimed; None if it is known."""
        row = {
            "account": "paysafer",
            "event_id": happened["id"],
            "type": happened["type"],
            "object_id": happened["data"]["id"],
            "created": happened["created"],
            "state": "processing",
            "due_in": 300_000,
            "fence": 1,
            "attempts": 1,
            "digest": hashlib.sha256(body).hexdigest(),
            "verified_with": "12345678",
            "note": None,
            "encrypted": False,
            "payload": body,
        }
        key: int | None = connection.execute(self._add, row).scalar()
        return key

    def finish(self, connection: Connection, key: int) -> None:
        """Write the ledger's row and close the event."""
        row = {"event_key": key, "handler": "fulfil", "fence": 1, "attempt": 1, "skipped": None}
        connection.execute(self._run, row)
        connection.execute(self._finish, {"held_key": key, "held_fence": 1})


def durable_engine(url: str) -> Engine:
    """Return an engine whose commits survive a power cut, as the inbox's own do."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":

        @event.listens_for(engine, "connect")
        def tune(connection: Any, _: object) -> None:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA fullfsync = ON")

    return engine
