"""Make results of what an answer holds, and refuse what is something else. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from ..resources import Resource

__all__ = ["Listed", "UnreadableError", "object_reader", "page_reader"]

R = TypeVar("R", bound=Resource)


class UnreadableError(Exception):
    """The answer is not what PaySafer answers. The text says why, and quotes nothing."""


class Listed(NamedTuple, Generic[R]):
    """One page as it was answered."""

    data: list[R]
    has_more: bool


def object_reader(cls: type[R]) -> Callable[[dict[str, Any]], R]:
    """Return what makes one object of an answer."""

    def read(answer: dict[str, Any]) -> R:
        if not isinstance(answer.get("id"), str):
            raise UnreadableError("it has no id")
        return cls(answer)

    return read


def page_reader(cls: type[R]) -> Callable[[dict[str, Any]], Listed[R]]:
    """Return what makes one page of an answer."""

    def read(answer: dict[str, Any]) -> Listed[R]:
        return Listed([cls(item) for item in _items(answer)], _has_more(answer))

    return read


def _items(answer: dict[str, Any]) -> list[Any]:
    items = answer.get("data")
    if not isinstance(items, list):
        raise UnreadableError("it is no list")
    if not all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in items):
        raise UnreadableError("it lists something that has no id")
    return items


def _has_more(answer: dict[str, Any]) -> bool:
    has_more = answer.get("has_more")
    if not isinstance(has_more, bool):
        raise UnreadableError("it does not say whether there is more")
    return has_more
