"""Tell in short what failed of many events: how often, and the last of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, select

from .schema import Tables

_AT_ONCE = 500
_LONGEST = 500
"""How many characters of an error are read, for its first line."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What failed of one event."""

    failures: int
    """How many runs of handlers failed, through all attempts and replays."""
    handler: str
    """The one that failed last; of those that are still not done, if there are any."""
    error: str
    """The first line of what it said."""


def troubles_of(
    connection: Connection, tables: Tables, keys: Sequence[int], *, handler: str | None = None
) -> dict[int, Trouble]:
    """Return what failed, by the event's key, of those of which anything did.

    :param handler: Look at this handler's failures alone.
    """
    found: dict[int, Trouble] = {}
    for start in range(0, len(keys), _AT_ONCE):
        query = _query(tables, keys[start : start + _AT_ONCE], handler)
        for key, count, name, error in connection.execute(query):
            found[key] = Trouble(count, name, error.partition("\n")[0])
    return found


def _query(tables: Tables, keys: Sequence[int], handler: str | None) -> Select[Any]:
    failure, run = tables.failure, tables.handler_run
    wanted: list[ColumnElement[bool]] = [failure.c.event_key.in_(keys)]
    if handler is not None:
        wanted.append(failure.c.handler == handler)
    is_its = and_(run.c.event_key == failure.c.event_key, run.c.handler == failure.c.handler)
    # A failure that is overcome since then is news only where no other is left.
    open_one = func.max(case((run.c.handler.is_(None), failure.c.key)))
    last = (
        select(
            func.count().label("failures"),
            func.coalesce(open_one, func.max(failure.c.key)).label("key"),
        )
        .select_from(failure.outerjoin(run, is_its))
        .where(*wanted)
        .group_by(failure.c.event_key)
        .subquery()
    )
    said = func.substr(failure.c.error, 1, _LONGEST)
    columns = (failure.c.event_key, last.c.failures, failure.c.handler, said)
    return select(*columns).join_from(last, failure, failure.c.key == last.c.key)
