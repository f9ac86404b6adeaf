"""The inbox's tables, made once in any metadata.

- ``paysafer_event``: one row per event, and per quarantined body
- ``paysafer_handler_run``: handler executions; a row means that handler is done with that event
- ``paysafer_handler_failure``: one row per failed attempt of a handler
- ``paysafer_delivery``: one row per delivery after the first, and per replay
- ``paysafer_watermark``: the newest event a ``stale="skip"`` handler has handled per object
- ``paysafer_checkout``: one row per order that a customer has tried to pay
- ``paysafer_checkout_attempt``: one row per try
- ``paysafer_fact``: the reconciliation events, for what no webhook was received
- ``paysafer_wakeup``: whether a message to the workers is under way (Celery)
- ``paysafer_subscription``: one row per subscription
- ``paysafer_subscription_period``: one row per period that began
- ``paysafer_saved_card``: the cards that customers left with PaySafer, with their consent
- ``paysafer_schema``: the version of these tables

Rules of this file: times are integers, UTC milliseconds, from the database's own
clock, so that three databases compare them alike. Text that identifies is compared
byte by byte: MariaDB's default would take ``evt_a`` and ``evt_A`` for one event. There
are few and narrow indices, for every insert pays for each of them.

Execution rows have no foreign key: MariaDB would hold a lock on the event's row for as
long as the transaction that the handler runs in, and its lease could not be renewed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from .records import DUE, STATES, STOPPED, State

SCHEMA_VERSION = 3
"""Raised with every change of these tables; :mod:`.migrations` brings older ones up to it.

Version 1 had neither the checkout's tables nor reconciliation events nor replay locks, and
its index of unfinished events was on the state. Version 2 had no local events, subscriptions,
saved cards or pruned events, ``2**62`` for the time at which an event that needs an operator
is due, no index of those, and neither checks nor foreign keys.
"""


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables as they stand in one metadata."""

    event: Table
    handler_run: Table
    failure: Table
    delivery: Table
    watermark: Table
    checkout: Table
    checkout_attempt: Table
    fact: Table
    wakeup: Table
    subscription: Table
    subscription_period: Table
    saved_card: Table
    schema: Table

    def all(self) -> list[Table]:
        """Every table, for creating them."""
        return [getattr(self, name) for name in self.__slots__]


def tables_in(metadata: MetaData) -> Tables:
    """Return the inbox's tables in ``metadata``, adding them the first time.

    Several extensions that share a database share one set of tables.
    """
    return Tables(
        event=_once(metadata, "paysafer_event", _event),
        handler_run=_once(metadata, "paysafer_handler_run", _handler_run),
        failure=_once(metadata, "paysafer_handler_failure", _failure),
        delivery=_once(metadata, "paysafer_delivery", _delivery),
        watermark=_once(metadata, "paysafer_watermark", _watermark),
        checkout=_once(metadata, "paysafer_checkout", _checkout),
        checkout_attempt=_once(metadata, "paysafer_checkout_attempt", _checkout_attempt),
        fact=_once(metadata, "paysafer_fact", _fact),
        wakeup=_once(metadata, "paysafer_wakeup", _wakeup),
        subscription=_once(metadata, "paysafer_subscription", _subscription),
        subscription_period=_once(metadata, "paysafer_subscription_period", _subscription_period),
        saved_card=_once(metadata, "paysafer_saved_card", _saved_card),
        schema=_once(metadata, "paysafer_schema", _schema),
    )


def _once(metadata: MetaData, name: str, build: Callable[[MetaData], Table]) -> Table:
    full_name = name if metadata.schema is None else f"{metadata.schema}.{name}"
    known = metadata.tables.get(full_name)
    return build(metadata) if known is None else known


def _exact(length: int) -> TypeEngine[str]:
    """Text that is compared byte by byte on every database."""
    binary = mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def _text() -> TypeEngine[str]:
    """Text of any length and alphabet, whatever the database's own character set."""
    return Text().with_variant(mysql.TEXT(charset="utf8mb4"), "mysql", "mariadb")


def _row_key() -> TypeEngine[int]:
    # SQLite numbers rows by itself only in a column declared INTEGER.
    return BigInteger().with_variant(Integer(), "sqlite")


def _body() -> TypeEngine[bytes]:
    return LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")


def _event(metadata: MetaData) -> Table:
    account = Column("account", _exact(64), nullable=False)
    # With the account first SQLite takes these indices and not the one of the ids.
    due_at = Column("due_at", BigInteger)
    stopped_at = Column("stopped_at", BigInteger)
    sequence = Column("sequence", _exact(32))
    return Table(
        "paysafer_event",
        metadata,
        Column("key", _row_key(), primary_key=True, autoincrement=True),
        account,
        Column("event_id", _exact(255), nullable=False),
        Column("type", _exact(255), nullable=False),
        Column("object_id", _exact(255)),
        Column("created", BigInteger, nullable=False),
        Column("state", _exact(16), nullable=False),
        # When it is to be handled, or its lease ends; of pending and processing events.
        due_at,
        # When it began to need an operator; of failed and quarantined events.
        stopped_at,
        Column("fence", Integer, nullable=False),
        Column("visited_until", BigInteger, key="replay_locked_until"),
        Column("attempts", Integer, nullable=False),
        Column("received_at", BigInteger, nullable=False),
        Column("finished_at", BigInteger),
        # Local events of one object have one sequence, and are handled one after the other.
        sequence,
        # The reconciliation event that was handled in the place of this one.
        Column("handled_as", _exact(255)),
        # The sum that a payment.refunded names, in minor units.
        Column("amount_refunded", BigInteger),
        Column("digest", _exact(64), nullable=False),
        Column("verified_with", _exact(64)),
        Column("note", String(255)),
        Column("encrypted", Boolean, nullable=False),
        Column("payload", _body(), nullable=False),
        UniqueConstraint("account", "event_id", name="paysafer_event_once"),
        CheckConstraint(_one_of("state", STATES), name="paysafer_event_state"),
        CheckConstraint(
            f"(due_at IS NULL) = (NOT {_one_of('state', DUE)})", name="paysafer_event_is_due"
        ),
        CheckConstraint(
            f"(stopped_at IS NULL) = (NOT {_one_of('state', STOPPED)})",
            name="paysafer_event_is_stopped",
        ),
        _where_given("paysafer_event_due", account, due_at),
        _where_given("paysafer_event_stopped", account, stopped_at),
        _where_given("paysafer_event_sequence", sequence),
    )


def _one_of(column: str, states: tuple[State, ...]) -> str:
    return f"({column} IN ({', '.join(repr(state) for state in states)}))"


def _where_given(name: str, *columns: Column[Any]) -> Index:
    """Index the rows in which the last column has a value; MariaDB indexes all."""
    is_given = columns[-1].is_not(None)
    return Index(name, *columns, postgresql_where=is_given, sqlite_where=is_given)


def _of_event(metadata: MetaData, name: str) -> ForeignKeyConstraint:
    schema = "" if metadata.schema is None else f"{metadata.schema}."
    return ForeignKeyConstraint(["event_key"], [f"{schema}paysafer_event.key"], name=name)


def _handler_run(metadata: MetaData) -> Table:
    return Table(
        "paysafer_handler_run",
        metadata,
        Column("event_key", BigInteger, primary_key=True, autoincrement=False),
        Column("handler", _exact(255), primary_key=True),
        Column("fence", Integer, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("done_at", BigInteger, nullable=False),
        Column("skipped", String(64)),
    )


def _failure(metadata: MetaData) -> Table:
    event_key = Column("event_key", BigInteger, nullable=False)
    return Table(
        "paysafer_handler_failure",
        metadata,
        Column("key", _row_key(), primary_key=True, autoincrement=True),
        event_key,
        Column("handler", _exact(255), nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("failed_at", BigInteger, nullable=False),
        Column("error", _text(), nullable=False),
        Index("paysafer_handler_failure_of", event_key),
        _of_event(metadata, "paysafer_handler_failure_event"),
    )


def _delivery(metadata: MetaData) -> Table:
    event_key = Column("event_key", BigInteger, nullable=False)
    return Table(
        "paysafer_delivery",
        metadata,
        Column("key", _row_key(), primary_key=True, autoincrement=True),
        event_key,
        Column("delivered_at", BigInteger, nullable=False),
        Column("found", _exact(16), nullable=False),
        Column("verified_with", _exact(64)),
        Index("paysafer_delivery_of", event_key),
        _of_event(metadata, "paysafer_delivery_event"),
    )


def _watermark(metadata: MetaData) -> Table:
    return Table(
        "paysafer_watermark",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("handler", _exact(255), primary_key=True),
        Column("object_id", _exact(255), primary_key=True),
        Column("created", BigInteger, nullable=False),
        Column("held_by", BigInteger),
        Column("held_until", BigInteger),
    )


def _checkout(metadata: MetaData) -> Table:
    account = Column("account", _exact(64), primary_key=True)
    due_at = Column("due_at", BigInteger)
    is_due = due_at.is_not(None)
    return Table(
        "paysafer_checkout",
        metadata,
        account,
        Column("reference", _exact(255), primary_key=True),
        Column("shop", _exact(64), nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("created_at", BigInteger, nullable=False),
        # The one payment that order_for has agreed to.
        Column("payment_id", _exact(255)),
        Column("closed_at", BigInteger),
        # By the application's clock, as the order loader says it.
        Column("expires_at", BigInteger),
        Column("expired_at", BigInteger),
        due_at,
        Index(
            "paysafer_checkout_due",
            account,
            due_at,
            postgresql_where=is_due,
            sqlite_where=is_due,
        ),
    )


def _checkout_attempt(metadata: MetaData) -> Table:
    return Table(
        "paysafer_checkout_attempt",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("reference", _exact(255), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("idempotency_key", _exact(255), nullable=False),
        Column("amount", BigInteger, nullable=False),
        Column("currency", _exact(3), nullable=False),
        Column("manual_capture", Boolean, nullable=False),
        Column("state", _exact(64), nullable=False),
        Column("payment_id", _exact(255)),
        Column("failure", String(255)),
        Column("next_url", Text),
        Column("request", _body()),
        Column("request_encrypted", Boolean, nullable=False),
        Column("begun_at", BigInteger, nullable=False),
        Column("due_at", BigInteger, nullable=False),
        Column("fence", Integer, nullable=False),
        Column("updated_at", BigInteger),
        # A worker is asking until then; due_at is when it may be asked about again.
        Column("held_until", BigInteger),
        Column("misses", Integer),
        Column("refunded", BigInteger),
    )


def _fact(metadata: MetaData) -> Table:
    return Table(
        "paysafer_fact",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("type", _exact(64), primary_key=True),
        Column("object_id", _exact(255), primary_key=True),
        Column("amount", BigInteger, primary_key=True, autoincrement=False),
        Column("seen_at", BigInteger, nullable=False),
        Column("stands", Boolean, nullable=False),
        Column("event_key", BigInteger),
    )


def _wakeup(metadata: MetaData) -> Table:
    return Table(
        "paysafer_wakeup",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("sent_at", BigInteger),
    )


def _subscription(metadata: MetaData) -> Table:
    account = Column("account", _exact(64), primary_key=True)
    due_at = Column("due_at", BigInteger)
    is_planned = due_at.is_not(None)
    return Table(
        "paysafer_subscription",
        metadata,
        account,
        Column("reference", _exact(200), primary_key=True),
        Column("plan", _exact(64), nullable=False),
        Column("next_plan", _exact(64)),
        Column("customer", _exact(255), nullable=False),
        Column("payment_method", _exact(255), nullable=False),
        Column("details", Text, nullable=False),
        Column("given", _exact(64), nullable=False),
        Column("state", _exact(16), nullable=False),
        Column("anchor_at", BigInteger, nullable=False),
        Column("first_number", Integer, nullable=False),
        Column("every", _exact(16), nullable=False),
        Column("zone", _exact(64), nullable=False),
        Column("currency", _exact(3)),
        # By the application's clock, as all that follows but held_until.
        due_at,
        Column("next_charge_at", BigInteger),
        Column("cancel_at", BigInteger),
        Column("created_at", BigInteger, nullable=False),
        Column("started_at", BigInteger),
        Column("canceled_at", BigInteger),
        Column("fence", Integer, nullable=False),
        Column("held_until", BigInteger),
        Index(
            "paysafer_subscription_due",
            account,
            due_at,
            postgresql_where=is_planned,
            sqlite_where=is_planned,
        ),
    )


def _subscription_period(metadata: MetaData) -> Table:
    return Table(
        "paysafer_subscription_period",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("reference", _exact(200), primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("start_at", BigInteger, nullable=False),
        Column("end_at", BigInteger, nullable=False),
        Column("state", _exact(16), nullable=False),
        Column("amount", BigInteger),
        Column("currency", _exact(3)),
        Column("details", Text),
        Column("payment_id", _exact(255)),
        Column("attempts", Integer, nullable=False),
        Column("declines", Integer, nullable=False),
        Column("reason", _exact(64)),
        # When the first attempt was declined, when the next one is due, and when dunning ends.
        Column("declined_at", BigInteger),
        Column("retry_at", BigInteger),
        Column("ends_at", BigInteger),
        Column("needs_customer", Boolean, nullable=False),
    )


def _saved_card(metadata: MetaData) -> Table:
    return Table(
        "paysafer_saved_card",
        metadata,
        Column("account", _exact(64), primary_key=True),
        Column("customer", _exact(255), primary_key=True),
        Column("payment_method", _exact(255), primary_key=True),
        Column("brand", String(32)),
        Column("last4", String(4)),
        Column("exp_month", Integer),
        Column("exp_year", Integer),
        Column("consent", Text),
        Column("saved_at", BigInteger, nullable=False),
        Column("removed_at", BigInteger),
    )


def _schema(metadata: MetaData) -> Table:
    return Table(
        "paysafer_schema",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("version", Integer, nullable=False),
    )
