"""Let every session that a handler uses take part in one transaction, which it can't end.

While a handler runs, each SQLAlchemy session that begins in its context is joined to one
connection per database, after SQLAlchemy's recipe for joining a session to an external
transaction: its ``commit()`` keeps a part of the work, its ``rollback()`` undoes what came after
the last part, both by savepoints. The transaction itself is committed when the handler has
returned, with its execution row, or not at all.

What would end it behind the session's back is refused with
:class:`~flask_paysafer.errors.HandlerTransactionError`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NoReturn

from sqlalchemy import Connection, Engine, RootTransaction, TwoPhaseTransaction, event
from sqlalchemy.engine import NestedTransaction, Transaction
from sqlalchemy.exc import DBAPIError, UnboundExecutionError
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import Pool

from ..errors import HandlerTransactionError
from ..inbox.database import Database
from ..inbox.merchant import Bind, begin_on, current_session

_running: ContextVar[HandlerTransaction | None] = ContextVar("paysafer_handler", default=None)


class HandlerTransaction:
    """The transaction that one handler runs in; a context manager that ends it.

    Left without :meth:`commit`, it is rolled back.

    :param on_commit: Called when a session is committed by the handler itself.
    :raises HandlerTransactionError: on entering it, if the engine commits by itself.
    :raises DBAPIError: on entering it, if the database can't be reached.
    """

    def __init__(self, database: Database, db: Any, *, on_commit: Callable[[], None]) -> None:
        self._database = database
        self._db = db
        self._on_commit = on_commit
        self._sessions: list[_Joined] = []
        self._others: dict[Pool, _Held] = {}
        self._main: Session | None = None
        self._is_over = False
        self.is_ending = False

    def __enter__(self) -> HandlerTransaction:
        session = current_session(self._db)
        if session.in_transaction():
            session.commit()  # the session of a wider scope: what it has written is not ours
        self._is_two_phase = session.twophase
        self._begin(self._bind_of(session))
        self._token = _running.set(self)
        return self

    def _begin(self, bind: Bind) -> None:
        if isinstance(bind, Connection):
            self.connection = bind
            self._savepoint = begin_on(bind)
            return
        self.connection = held = _Held(bind, self, two_phase=self._is_two_phase)
        if _commits_by_itself(held):
            held.transaction.undo()
            held.let_go()
            raise _refusal(
                "The database engine commits each statement by itself (AUTOCOMMIT), so a "
                "handler's writes and the record that it ran can't be committed together.",
                "Remove isolation_level AUTOCOMMIT, or the driver's autocommit, from "
                "SQLALCHEMY_ENGINE_OPTIONS, from create_engine() or from the session's bind.",
            )
        held.guard()

    def __exit__(self, *_: object) -> None:
        _running.reset(self._token)
        try:
            if not self._is_over:
                self._undo()
        finally:
            for joined in self._sessions:
                joined.leave()
            for held in self._held():
                held.let_go()

    def commit(self) -> None:
        """Commit all that the handler's sessions hold, in one transaction per database.

        ``after_commit`` listeners of the shop's session run when it is really committed.
        """
        self.is_ending = True
        main = current_session(self._db)
        for joined in self._sessions:
            if joined.session is not main:
                _commit_pending(joined.session)
        self._main = main
        _commit_pending(main)
        if not self._is_over:
            self._commit_all()

    def as_inbox(self) -> Connection:
        """Return the connection for the inbox's own tables, whatever schema a session maps."""
        if isinstance(self.connection, _Held):
            self.connection.take_on(self._database.engine)
        return self.connection

    def join(self, session: Session, transaction: SessionTransaction) -> None:
        """Make a transaction that a session begins part of this one."""
        if transaction.parent is None:
            if isinstance(self.connection, _Held):
                self.connection.parts.pop(session, None)
            if not any(joined.session is session for joined in self._sessions):
                self._sessions.append(_Joined(session, self))
        # Not by get_bind(), which a session asks before it begins its first transaction.
        connect = transaction._connection_for_bind

        def connect_here(bind: Bind, options: Any) -> Connection:
            return connect(self.bind_for(session, bind), options)

        vars(transaction)["_connection_for_bind"] = connect_here

    def bind_for(self, session: Session, bind: Bind) -> Bind:
        """Return the connection to use where the session would use ``bind``."""
        if isinstance(bind, Connection) or bind.dialect.is_async:
            return bind
        is_inboxes = self._is_inboxes(bind)
        if not isinstance(self.connection, _Held):
            return self.connection if is_inboxes else bind
        if is_inboxes:
            return self.connection.ask(session, bind)
        return self._other(session, bind)

    def end_with(self, part: _Part) -> bool:
        """Commit for good if ``part`` is the last one; True if all is committed."""
        held, main = self.connection, self._main
        if main is None or self._is_over or not isinstance(held, _Held):
            return self._is_over
        if held.parts.get(main) is part:
            self._commit_all()
        return self._is_over

    def note_commit(self) -> None:
        """Say that the handler commits by itself."""
        self._on_commit()

    def _bind_of(self, session: Session) -> Bind:
        """Return where to put the execution row: as the session has it, if that is the inbox's."""
        own = self._database.bind
        if not isinstance(own, Connection) and "connect" in vars(own):
            return own.connect()  # a test lets the engine give one connection to all
        try:
            found = session.get_bind(clause=self._database.tables.handler_run)
        except UnboundExecutionError:
            return own
        if isinstance(found, Connection) and found is not own:
            raise _refusal(
                "The session is bound to a connection of its own, and the inbox can't see it.",
                "Give the connection to the session's factory (bind=…), or put it into "
                "db.engines, before the delivery.",
            )
        return found if not isinstance(own, Connection) and self._is_inboxes(found) else own

    def _is_inboxes(self, bind: Bind) -> bool:
        own = self._database.engine
        if bind.engine.pool is own.pool:
            return True
        is_in_memory = own.dialect.name == "sqlite" and own.url.database in (None, "", ":memory:")
        return bind.engine.url == own.url and not is_in_memory

    def _other(self, session: Session, engine: Engine) -> Bind:
        """Hold another database of the session's too, so that its commit waits for ours."""
        held = self._others.get(engine.pool)
        if held is None:
            held = _Held(engine, self, two_phase=self._is_two_phase)
            if _commits_by_itself(held):
                held.transaction.undo()
                held.let_go()
                return engine
            if engine.dialect.name == "sqlite" and not _driver_of(held).in_transaction:
                # Its driver begins with the first write; a savepoint before would commit alone.
                held.exec_driver_sql("BEGIN")
            held.guard()
            self._others[engine.pool] = held
        return held.ask(session, engine)

    def _held(self) -> list[_Held]:
        # The inbox's comes last: without its row, all is done again.
        held = [*self._others.values()]
        return [*held, self.connection] if isinstance(self.connection, _Held) else held

    def _commit_all(self) -> None:
        self._is_over = True
        if not isinstance(self.connection, _Held):
            self._savepoint.commit()
        held = self._held()
        for one in held:
            one.unguard()
        if self._is_two_phase and len(held) > 1:
            for one in held:
                one.transaction.prepare()
        for one in held:
            one.transaction.finish()

    def _undo(self) -> None:
        self._is_over = True
        for one in self._held():
            one.unguard()
            with suppress(DBAPIError):  # of a lost connection the server has undone it
                one.transaction.undo()
        for joined in self._sessions:
            joined.session.rollback()
        if not isinstance(self.connection, _Held) and self._savepoint.is_active:
            self._savepoint.rollback()


class _Joined:
    """A session that takes part, and what it was like before."""

    def __init__(self, session: Session, transaction: HandlerTransaction) -> None:
        self.session = session
        self._transaction = transaction
        self._commit = session.commit
        self._close = session.close
        self._before = session.join_transaction_mode, session.twophase
        self._handling = sys.exc_info()[1]
        session.join_transaction_mode = "create_savepoint"
        session.twophase = False
        vars(session)["commit"] = self.commit
        vars(session)["close"] = self.close

    def leave(self) -> None:
        """Make the session as it was."""
        vars(self.session).pop("commit", None)
        vars(self.session).pop("close", None)
        self.session.join_transaction_mode, self.session.twophase = self._before

    def commit(self) -> None:
        """As the session's own, noted while the handler runs."""
        if not self._transaction.is_ending:
            self._transaction.note_commit()
        self._commit()

    def close(self) -> None:
        """Keep what was written, then close: the handler was promised that it is committed.

        While an error goes through, it is undone, as closing always does.
        """
        if self.session.in_transaction():
            is_failing = sys.exc_info()[1] is not self._handling
            (self.session.rollback if is_failing else self._commit)()
        self._close()


class _Held(Connection):
    """A connection in a transaction that only :class:`HandlerTransaction` ends."""

    def __init__(self, engine: Engine, owner: HandlerTransaction, *, two_phase: bool) -> None:
        super().__init__(engine)
        self.owner = owner
        self.parts: dict[Session, _Part] = {}
        self.turn = 0
        self._asking: Session | None = None
        self.is_guarded = False
        self._taken_on: Engine = engine
        self._level = engine.get_execution_options().get("isolation_level")
        self.transaction: _Root | _TwoPhase
        try:
            self.transaction = _TwoPhase(self) if two_phase else _Root(self)
        except BaseException:
            super().close()
            raise

    def guard(self) -> None:
        """Refuse from now on what would end the transaction."""
        self.is_guarded = True
        driver: Any = self.connection
        self._driver = driver.dbapi_connection
        driver.dbapi_connection = _GuardedDriver(self._driver)

    def unguard(self) -> None:
        """Let the transaction be ended."""
        if self.is_guarded and not self.invalidated:
            driver: Any = self.connection
            driver.dbapi_connection = self._driver
        self.is_guarded = False

    def ask(self, session: Session, engine: Engine) -> _Held:
        """Give the connection to a session, as its engine would give one."""
        if session is not self._asking:
            self._asking, self.turn = session, self.turn + 1
        self.take_on(engine)
        return self

    def take_on(self, engine: Engine) -> None:
        """Take on an engine's execution options, such as a tenant's schema."""
        if engine is self._taken_on:
            return
        new, old = engine.get_execution_options(), self._taken_on.get_execution_options()
        if new.get("isolation_level") not in (None, self._level):
            raise _refusal(
                f"A session asks for isolation_level={new['isolation_level']!r}, and the handler's "
                "transaction has begun with another.",
                "Give all sessions that a handler uses one isolation level.",
            )
        changed = {**dict.fromkeys(old), **new}
        changed.pop("isolation_level", None)
        super().execution_options(**changed)
        self._taken_on = engine

    def begin_nested(self) -> NestedTransaction:
        """Begin a part of the handler's work, or a savepoint in it."""
        part = _Part(self)
        if self._asking is not None:
            self.parts.setdefault(self._asking, part)
        return part

    def execution_options(self, **options: Any) -> Connection:
        """As of old, but for the isolation level, which a transaction keeps."""
        if self.is_guarded and "isolation_level" in options:
            raise _refusal(
                f"A handler sets isolation_level={options['isolation_level']!r} on a connection "
                "whose transaction has begun.",
                "Set it on the engine, or on the session's bind.",
            )
        return super().execution_options(**options)

    def close(self) -> None:
        """Refused: the handler's transaction would be rolled back."""
        if self.is_guarded:
            _refuse("close the connection")
        super().close()

    def let_go(self) -> None:
        """Give the connection back to the pool."""
        self.unguard()
        super().close()


class _Owned(Transaction):
    """What is common to both kinds of transaction: only :class:`HandlerTransaction` ends them."""

    __slots__ = ()

    def commit(self) -> None:
        _refuse("commit the transaction")

    def rollback(self) -> None:
        _refuse("roll back the transaction")

    def close(self) -> None:
        if self.is_active:
            _refuse("close the transaction")

    def finish(self) -> None:
        super().commit()

    def undo(self) -> None:
        super().rollback()


class _Root(_Owned, RootTransaction):
    __slots__ = ()

    def prepare(self) -> None:
        """Only two-phase transactions are prepared."""


class _TwoPhase(_Owned, TwoPhaseTransaction):
    __slots__ = ()

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, connection.dialect.create_xid())


class _Part(NestedTransaction):
    """A savepoint: a session's work from one commit to the next."""

    __slots__ = ("_turn",)

    def __init__(self, connection: _Held) -> None:
        super().__init__(connection)
        self._turn = connection.turn

    def commit(self) -> None:
        held = self.connection
        if isinstance(held, _Held) and held.owner.end_with(self):
            return
        if self.connection.get_nested_transaction() is self:
            super().commit()
        else:
            # Another session has begun inside and goes on: to release would end its part.
            self.is_active = False

    def rollback(self) -> None:
        if self.is_active:
            self._check_alone()
            super().rollback()

    def close(self) -> None:
        if self.is_active:
            self._check_alone()
            super().close()

    def _check_alone(self) -> None:
        # By savepoints, what another session has written since would be undone as well.
        held = self.connection
        if isinstance(held, _Held) and held.transaction.is_active and held.turn != self._turn:
            raise _refusal(
                "A handler rolls back a session after it has used another one on the same "
                "database, and would undo that one's work too.",
                "Use one session in a handler, or begin_nested() for the part that may fail.",
            )


class _GuardedDriver:
    """The driver's connection, whose transaction can't be ended."""

    def __init__(self, driver: Any) -> None:
        vars(self)["_driver"] = driver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._driver, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._driver, name, value)

    def commit(self) -> None:
        _refuse("commit the transaction, on the driver's connection,")

    def rollback(self) -> None:
        _refuse("roll back the transaction, on the driver's connection,")


def _commit_pending(session: Session) -> None:
    if not session.in_transaction() and (session.new or session.dirty or session.deleted):
        session.begin()  # changed after its last commit, by a session that begins by hand
    if session.in_transaction():
        session.commit()


def _driver_of(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.dbapi_connection


def _commits_by_itself(connection: Connection) -> bool:
    """Whether the driver commits each statement, although a transaction has begun.

    It is seen on the driver, without asking the server.
    """
    if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
        return True
    driver = _driver_of(connection)
    if connection.dialect.name == "sqlite":
        # A listener may have sent BEGIN, as SQLAlchemy's documentation shows.
        is_off = driver.isolation_level is None and getattr(driver, "autocommit", -1) is not False
        return is_off and not driver.in_transaction
    if hasattr(driver, "get_autocommit"):
        return bool(driver.get_autocommit())
    return bool(getattr(driver, "autocommit", False))


_ENDS = re.compile(r"\s*(commit|rollback(?!\s+to\b)|begin|start\s+transaction|end)\b", re.I)
_ENDS_ON_MYSQL = re.compile(
    r"\s*(alter|create(?!\s+temporary)|drop(?!\s+temporary)|rename|truncate|lock|grant|revoke)\b",
    re.I,
)
"""What MySQL and MariaDB commit the transaction for."""


@event.listens_for(_Held, "before_cursor_execute")
def _refuse_to_end(held: _Held, _: Any, statement: str, *__: Any) -> None:
    if not held.is_guarded:
        return
    found = _ENDS.match(statement)
    if found is None and held.dialect.name in ("mysql", "mariadb"):
        found = _ENDS_ON_MYSQL.match(statement)
    if found is not None:
        _refuse(f"run {found[1].upper()}, which ends the transaction")


@event.listens_for(Session, "after_transaction_create")
def _join(session: Session, transaction: SessionTransaction) -> None:
    running = _running.get()
    if running is not None:
        running.join(session, transaction)


def _refuse(act: str) -> NoReturn:
    raise _refusal(
        f"A handler tries to {act} that it runs in.",
        "Use db.session.commit() and db.session.rollback(), or leave both to the extension.",
    )


def _refusal(cause: str, cure: str) -> HandlerTransactionError:
    return HandlerTransactionError(f"{cause} {cure}")
