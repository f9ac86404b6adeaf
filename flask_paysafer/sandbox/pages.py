"""Cut lists into pages: newest first, by cursor."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

from .failures import ApiError, invalid
from .ledger import Row, Shelf, shown

_COMPARE: dict[str, Callable[[int, int], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
}


def page(shelf: Shelf, query: dict[str, Any]) -> dict[str, Any]:
    """Return one page of the rows of ``shelf``.

    :param query: Checked parameters: ``limit``, ``starting_after`` or
        ``ending_before``, and ``created[gte]`` and its like.
    :raises ApiError: for an unknown cursor, or two of them.
    """
    limit = query.get("limit", 10)
    backwards = "ending_before" in query
    wanted = _wanted(query)
    found: list[Row] = []
    for place in _places(shelf, query):
        row = shelf.rows.get(shelf.ids[place])
        if row is not None and wanted(row):
            found.append(row)
            if len(found) > limit:
                break
    data = [shown(row) for row in found[:limit]]
    return {
        "object": "list",
        "data": data[::-1] if backwards else data,
        "has_more": len(found) > limit,
    }


def _places(shelf: Shelf, query: dict[str, Any]) -> Iterator[int]:
    """Yield places from the cursor onwards: towards older ones, or newer ones."""
    after, before = query.get("starting_after"), query.get("ending_before")
    if after is not None and before is not None:
        raise invalid("ending_before", "can't be used together with starting_after.")
    if before is not None:
        return iter(range(_place(shelf, before, "ending_before") + 1, len(shelf.ids)))
    end = len(shelf.ids) if after is None else _place(shelf, after, "starting_after")
    return iter(range(end - 1, -1, -1))


def _place(shelf: Shelf, cursor: str, param: str) -> int:
    try:
        return shelf.places[cursor]
    except KeyError:
        raise ApiError(
            "reference_missing", f"No such object: {cursor[:100]}", param=param
        ) from None


def _wanted(query: dict[str, Any]) -> Callable[[Row], bool]:
    limits = [
        (_COMPARE[name[len("created[") : -1]], moment)
        for name, moment in query.items()
        if name.startswith("created[")
    ]
    return lambda row: all(compare(row["created"], moment) for compare, moment in limits)
