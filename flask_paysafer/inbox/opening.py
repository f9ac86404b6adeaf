"""Put an inbox together from the settings."""

from __future__ import annotations

from typing import Any

from flask import Flask
from sqlalchemy import Engine, MetaData

from ..config import Config
from ..errors import ConfigurationError
from .database import Database
from .engines import own_engine
from .merchant import engine_of, tables_of
from .migrations import check_tables, make_or_check_tables
from .schema import tables_in
from .sealing import Seal
from .store import Inbox


def open_inbox(config: Config, app: Flask, *, db: Any = None) -> Inbox:
    """See :func:`flask_paysafer.inbox.open_inbox`."""
    return Inbox(
        _own(config, app) if db is None else _merchants(config, app, db),
        account=config.name,
        lease=config.lease,
        seal=Seal(config.inbox_encryption_keys),
        claims_on_receipt=config.dispatch == "inline",
    )


def _merchants(config: Config, app: Flask, db: Any) -> Database:
    if config.inbox_url is not None:
        raise ConfigurationError(
            f"{config.setting('INBOX_URL')} is set, and PaySafer(db=…) was given a database too. "
            "The inbox lives in one of them: drop the setting, or drop db=."
        )
    return Database(engine_of(db, app), tables_of(db), prepare=check_tables)


def _own(config: Config, app: Flask) -> Database:
    def open_engine() -> Engine:
        return own_engine(
            config.inbox_url,
            instance_path=app.instance_path,
            setting=config.setting("INBOX_URL"),
        )

    return Database(open_engine, tables_in(MetaData()), prepare=make_or_check_tables)
