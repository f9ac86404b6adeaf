from __future__ import annotations

from typing import Any

from sqlalchemy import create_engine, select

from flask_paysafer.inbox.database import now_ms


def test_a_statement_with_the_databases_clock_is_compiled_once() -> None:
    """SQLAlchemy compiles what has no cache key at every execution: half of a webhook's time."""
    compiled: dict[Any, Any] = {}
    engine = create_engine("sqlite://", execution_options={"compiled_cache": compiled})
    with engine.connect() as connection:
        assert connection.execute(select(now_ms())).scalar_one() > 0
    assert len(compiled) == 1
