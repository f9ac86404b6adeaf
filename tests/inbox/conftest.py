"""Inboxes on every database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, MetaData

from flask_paysafer.inbox.database import Database
from flask_paysafer.inbox.engine import own_engine
from flask_paysafer.inbox.migrations import make_or_check_tables, make_tables
from flask_paysafer.inbox.store import Inbox
from flask_paysafer.inbox.tables import tables_in
from tests.databases import KINDS, Kind, fresh_database

UrlOf = Callable[[Kind], str]


@pytest.fixture(scope="session")
def url_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UrlOf]:
    """One database of each kind for the session, with the tables made."""
    made: dict[Kind, str] = {}
    with ExitStack() as stack:

        def get(kind: Kind) -> str:
            if kind not in made:
                folder = tmp_path_factory.mktemp("databases")
                url = stack.enter_context(fresh_database(kind, folder))
                engine = open_engine(url)
                make_tables(engine, tables_in(MetaData()))
                engine.dispose()
                made[kind] = url
            return made[kind]

        yield get


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, url_of: UrlOf) -> str:
    """A database with the tables in it; tests keep apart by their account."""
    return url_of(request.param)


@pytest.fixture(params=KINDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database."""
    kind: Kind = request.param
    with fresh_database(kind, tmp_path) as url:
        yield url


def open_engine(url: str) -> Engine:
    """Return the engine the inbox would make for ``url``."""
    return own_engine(url, instance_path=".", setting="PAYSAFER_INBOX_URL")


MakeInbox = Callable[..., Inbox]


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return f"shop_{secrets.token_hex(8)}"


@pytest.fixture
def make_inbox(database_url: str, account: str) -> Iterator[MakeInbox]:
    """Open inboxes of one account, each with connections of its own as another worker has."""
    with ExitStack() as stack:

        def make(**options: Any) -> Inbox:
            engine = open_engine(database_url)
            stack.callback(engine.dispose)
            database = Database(lambda: engine, tables_in(MetaData()), prepare=make_or_check_tables)
            options.setdefault("account", account)
            return Inbox(database, **options)

        yield make


@pytest.fixture
def inbox(make_inbox: MakeInbox) -> Inbox:
    """An inbox whose events are handled where they come in."""
    return make_inbox()
