"""The habits: what handlers do, how sessions and engines are set up, and what must come of it.

A habit writes rows in one handler and says which of them are to be there when the handler ends
well. Its ``refused`` ones can't be made to work: they fail loudly, and write nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from flask_sqlalchemy.session import Session as FlaskSession
from sqlalchemy import Delete, Update, create_engine, event, text
from sqlalchemy.exc import DataError, IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from .shop import Effect, Shop

Act = Callable[[Shop], None]


@dataclass(frozen=True)
class Habit:
    """One habit."""

    name: str
    act: Act
    written: tuple[str, ...]
    refused: str | None = None
    """What the log says where it can't work."""
    only: tuple[str, ...] = ("sqlite", "postgresql", "mariadb")
    engine_options: dict[str, Any] = field(default_factory=dict)
    session_options: dict[str, Any] = field(default_factory=dict)
    prepare: Callable[[Shop], None] | None = None


HABITS: list[Habit] = []


def habit(name: str, *written: str, **options: Any) -> Callable[[Act], Act]:
    """Register the decorated handler as a habit that leaves the rows ``written``."""

    def register(act: Act) -> Act:
        HABITS.append(Habit(name, act, written, **options))
        return act

    return register


@habit("plain writes", "a")
def plain(shop: Shop) -> None:
    shop.add("a")


@habit("write and flush", "a")
def flushed(shop: Shop) -> None:
    shop.add("a")
    shop.session.flush()


@habit("commit() at the end", "a")
def commit(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()


@habit("commit() twice", "a", "b")
def commit_twice(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    shop.add("b")
    shop.session.commit()


@habit("commit(), then write on", "a", "b")
def commit_and_on(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    shop.add("b")


@habit("commit(), then close()", "a")
def commit_and_close(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    shop.session.close()


@habit("commit(), later rollback()", "a")
def commit_and_rollback(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    shop.add("undone")
    shop.session.flush()
    shop.session.rollback()


@habit("commit(), rollback(), write on", "a", "b")
def commit_rollback_and_on(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    shop.add("undone")
    shop.session.rollback()
    shop.add("b")


@habit("rollback(), then write", "a")
def rollback_first(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    shop.session.rollback()
    shop.add("a")


@habit("close() without commit()", "a")
def close(shop: Shop) -> None:
    shop.add("a")
    shop.session.close()


@habit("close(), then write", "a", "b")
def close_and_on(shop: Shop) -> None:
    shop.add("a")
    shop.session.close()
    shop.add("b")


@habit("db.session.remove()", "a", "b")
def remove(shop: Shop) -> None:
    shop.add("a")
    _remove(shop)
    shop.add("b")


@habit("commit(), then db.session.remove()", "a")
def commit_and_remove(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
    _remove(shop)


def _remove(shop: Shop) -> None:
    if hasattr(shop.session, "remove"):
        shop.session.remove()
    else:
        shop.session.close()


@habit("with db.session.begin()", "a")
def begin(shop: Shop) -> None:
    with shop.session.begin():
        shop.add("a")


@habit("with db.session.begin(), twice", "a", "b")
def begin_twice(shop: Shop) -> None:
    with shop.session.begin():
        shop.add("a")
    with shop.session.begin():
        shop.add("b")


@habit("with db.session.begin() that fails, caught", "b")
def begin_failing(shop: Shop) -> None:
    try:
        with shop.session.begin():
            shop.add("undone")
            _fail()
    except LookupError:
        shop.add("b")


@habit("the session as a context manager", "a")
def context_manager(shop: Shop) -> None:
    with _session_of(shop) as session:
        session.add(Effect(what="a"))


@habit("the session as a context manager, with commit()", "a")
def context_manager_commit(shop: Shop) -> None:
    with _session_of(shop) as session:
        session.add(Effect(what="a"))
        session.commit()


@habit("a failing context manager, caught", "b")
def context_manager_failing(shop: Shop) -> None:
    try:
        with _session_of(shop) as session:
            session.add(Effect(what="undone"))
            session.flush()
            _fail()
    except LookupError:
        shop.add("b")


def _fail() -> None:
    raise LookupError


def _session_of(shop: Shop) -> Session:
    found = shop.session
    session: Session = found if isinstance(found, Session) else found()
    return session


@habit("with Session(db.engine) of its own", "a")
def own_session(shop: Shop) -> None:
    with Session(shop.db.engine) as session:
        session.add(Effect(what="a"))
        session.commit()


@habit("own Session beside db.session", "a", "b", "c")
def own_session_beside(shop: Shop) -> None:
    shop.add("a")
    shop.session.flush()
    with Session(shop.db.engine) as session, session.begin():
        session.add(Effect(what="b"))
    shop.add("c")


@habit(
    "db.session rolled back over another session's commit",
    refused="would undo that one's work too",
)
def own_session_undone(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    with Session(shop.db.engine) as session, session.begin():
        session.add(Effect(what="b"))
    shop.session.rollback()


@habit("begin_nested()", "a", "b")
def savepoints(shop: Shop) -> None:
    shop.add("a")
    with shop.session.begin_nested():
        shop.add("b")


@habit("begin_nested() that fails, caught", "a", "c")
def savepoint_failing(shop: Shop) -> None:
    shop.add("a")
    try:
        with shop.session.begin_nested():
            shop.add("undone")
            shop.session.flush()
            _fail()
    except LookupError:
        shop.add("c")


@habit("begin_nested(), commit() inside", "a", "b")
def savepoint_and_commit(shop: Shop) -> None:
    shop.add("a")
    shop.session.begin_nested()
    shop.add("b")
    shop.session.commit()


@habit("get_transaction().commit() of the session", "a", "b")
def session_transaction_commit(shop: Shop) -> None:
    shop.add("a")
    shop.session.flush()
    transaction = _session_of(shop).get_transaction()
    assert transaction is not None
    transaction.commit()
    shop.add("b")


@habit("autobegin=False", "a", session_options={"autobegin": False})
def no_autobegin(shop: Shop) -> None:
    with shop.session.begin():
        shop.add("a")


@habit(
    "expire_on_commit=False, autoflush=False",
    "a",
    "b",
    session_options={"expire_on_commit": False, "autoflush": False},
)
def quiet_session(shop: Shop) -> None:
    effect = Effect(what="a")
    shop.session.add(effect)
    shop.session.commit()
    shop.add("b" if effect.what == "a" else "no")


@habit("two-phase", "a", session_options={"twophase": True}, only=("postgresql", "mariadb"))
def two_phase(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()


class RoutingSession(FlaskSession):
    """SQLAlchemy's recipe: reads go to a follower."""

    follower: Any = None

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        """Choose the engine by what is done."""
        if self.follower is None or self._flushing or isinstance(clause, Update | Delete):
            return super().get_bind(mapper=mapper, clause=clause, **kwargs)
        return self.follower


def _follow(shop: Shop) -> None:
    RoutingSession.follower = create_engine("sqlite://")
    Effect.__table__.create(RoutingSession.follower)  # type: ignore[attr-defined]


@habit(
    "reads go to a follower", "a", "b", session_options={"class_": RoutingSession}, prepare=_follow
)
def routed(shop: Shop) -> None:
    assert shop.session.query(Effect).count() == 0
    shop.add("a")
    shop.session.commit()
    assert shop.session.query(Effect).count() == 0
    shop.add("b")


class SameDatabaseSession(FlaskSession):
    """Reads go to another engine of the same database."""

    follower: Any = None

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        """Choose the engine by what is done."""
        return self.follower or super().get_bind(mapper=mapper, clause=clause, **kwargs)


def _second_engine(shop: Shop) -> None:
    SameDatabaseSession.follower = create_engine(shop.url)


@habit(
    "the session's engine is a second one on the same database",
    "a",
    session_options={"class_": SameDatabaseSession},
    prepare=_second_engine,
)
def second_engine(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()


@habit("events of the session: after_commit", "a")
def after_commit(shop: Shop) -> None:
    shop.add("a")
    shop.session.flush()


@habit("rows by Core statements", "a")
def core(shop: Shop) -> None:
    shop.session.execute(text("INSERT INTO effect (what) VALUES ('a')"))


@habit("session.connection()", "a")
def session_connection(shop: Shop) -> None:
    shop.session.connection().execute(text("INSERT INTO effect (what) VALUES ('a')"))


@habit("session.connection(bind=db.engine)", "a")
def session_connection_by_bind(shop: Shop) -> None:
    connection = shop.session.connection(bind_arguments={"bind": shop.db.engine})
    connection.execute(text("INSERT INTO effect (what) VALUES ('a')"))


@habit("a failed flush, swallowed", refused="PendingRollbackError")
def failed_state(shop: Shop) -> None:
    shop.add("undone")
    shop.session.add(Effect(what=None))
    with suppress(IntegrityError):
        shop.session.flush()


@habit("a failed flush, rolled back", "a")
def failed_and_rolled_back(shop: Shop) -> None:
    shop.session.add(Effect(what=None))
    try:
        shop.session.flush()
    except IntegrityError:
        shop.session.rollback()
    shop.add("a")


@habit("a failed statement, swallowed", refused="InFailedSqlTransaction", only=("postgresql",))
def failed_statement(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    with suppress(DataError):
        shop.session.execute(text("SELECT 1/0"))


# What can't be made to work.


@habit("commit on the connection", refused="tries to commit the transaction")
def raw_commit(shop: Shop) -> None:
    shop.add("undone")
    shop.session.connection().commit()


@habit("commit on the connection's transaction", refused="tries to commit the transaction")
def raw_transaction_commit(shop: Shop) -> None:
    shop.add("undone")
    shop.session.connection().get_transaction().commit()


@habit("rollback on the connection", refused="tries to roll back the transaction")
def raw_rollback(shop: Shop) -> None:
    shop.session.connection().rollback()
    shop.add("undone")


@habit("close() of the connection", refused="tries to close the connection")
def raw_close(shop: Shop) -> None:
    shop.add("undone")
    shop.session.connection().close()


@habit("commit on the driver's connection", refused="on the driver's connection")
def driver_commit(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    shop.session.connection().connection.commit()


@habit("COMMIT as a statement", refused="run COMMIT")
def commit_statement(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    shop.session.execute(text("COMMIT"))


@habit("DDL that commits by itself", refused="run CREATE", only=("mariadb",))
def ddl(shop: Shop) -> None:
    shop.add("undone")
    shop.session.flush()
    shop.session.execute(text("CREATE TABLE more (id INTEGER)"))


@habit("isolation level in the middle", refused="isolation_level")
def isolation_in_the_middle(shop: Shop) -> None:
    shop.session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    shop.add("undone")


_AUTOCOMMIT = "commits each statement by itself"


@habit(
    "create_engine(isolation_level=AUTOCOMMIT)",
    refused=_AUTOCOMMIT,
    engine_options={"isolation_level": "AUTOCOMMIT"},
)
def autocommit(shop: Shop) -> None:
    shop.add("undone")


@habit(
    "execution_options of the engine: AUTOCOMMIT",
    refused=_AUTOCOMMIT,
    engine_options={"execution_options": {"isolation_level": "AUTOCOMMIT"}},
)
def autocommit_by_options(shop: Shop) -> None:
    shop.add("undone")


@habit(
    "the driver's own autocommit",
    refused=_AUTOCOMMIT,
    only=("postgresql", "mariadb"),
    engine_options={"connect_args": {"autocommit": True}, "poolclass": NullPool},
)
def autocommit_of_driver(shop: Shop) -> None:
    shop.add("undone")


@habit(
    "the driver's own autocommit on SQLite",
    refused=_AUTOCOMMIT,
    only=("sqlite",),
    engine_options={"connect_args": {"isolation_level": None}},
)
def autocommit_of_sqlite(shop: Shop) -> None:
    shop.add("undone")


class AutocommitSession(FlaskSession):
    """Bound to an autocommitting variant of the engine."""

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        """Return the variant."""
        engine = super().get_bind(mapper=mapper, clause=clause, **kwargs)
        return engine.execution_options(isolation_level="AUTOCOMMIT")


@habit(
    "the session's bind autocommits",
    refused=_AUTOCOMMIT,
    session_options={"class_": AutocommitSession},
)
def autocommit_of_session(shop: Shop) -> None:
    shop.add("undone")


class SerializableSession(FlaskSession):
    """Bound to a stricter variant of the engine."""

    def get_bind(
        self, mapper: Any = None, clause: Any = None, bind: Any = None, **kwargs: Any
    ) -> Any:
        """Return the variant."""
        engine = super().get_bind(mapper=mapper, clause=clause, **kwargs)
        return engine.execution_options(isolation_level="SERIALIZABLE")


@habit(
    "the session's bind is SERIALIZABLE",
    "SERIALIZABLE",
    only=("postgresql", "mariadb"),
    session_options={"class_": SerializableSession},
)
def serializable(shop: Shop) -> None:
    shop.add(shop.session.connection().get_isolation_level())


def own_begin(shop: Shop) -> None:
    with shop.app.app_context():
        engine = shop.db.engine

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


@habit("SQLite with BEGIN by a listener", "a", only=("sqlite",), prepare=own_begin)
def sqlite_own_begin(shop: Shop) -> None:
    shop.add("a")
    shop.session.commit()
