"""The base of PaySafer's objects: dicts whose fields are attributes too."""

from __future__ import annotations

import functools
import types
import typing
from datetime import UTC, datetime
from typing import Any

__all__ = ["Resource"]

_SHOWN = ("id", "type", "status")


class Resource(dict[str, Any]):
    """An object of PaySafer's as it was answered: ``payment.amount`` is ``payment["amount"]``.

    Nothing is thrown away: fields and values that this version doesn't know are
    kept. A field that may be absent by its annotation is None when it is; any
    other absent field raises ``AttributeError`` (or ``KeyError`` as an item).
    Fields named like a method of dict (``items``, ``values`` …) are reached as
    items. It is a snapshot: changing it changes nothing at PaySafer.

    ``json.dumps``, ``pickle`` and ``copy`` work; ``repr`` shows the id and the
    status alone, for other fields can be personal or secret.
    """

    __slots__ = ()

    if typing.TYPE_CHECKING:
        id: str
        """The object's id at PaySafer."""
        object: str
        """What it is, such as ``payment``."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            if name in _optional_fields(type(self)):
                return None
            raise AttributeError(_absent(self, name), name=name, obj=self) from None
        # Wrapped when it is asked for, so that an answer costs little more than its JSON.
        if type(value) is dict:
            value = self[name] = Resource(value)
        elif type(value) is list and dict in map(type, value):
            value = self[name] = [Resource(v) if type(v) is dict else v for v in value]
        return value

    @property
    def created_at(self) -> datetime:
        """When it was created, in UTC."""
        return datetime.fromtimestamp(self.created, UTC)

    def __repr__(self) -> str:
        shown = "".join(f" {name}={self[name]!r}" for name in _SHOWN if name in self)
        return f"<{type(self).__name__}{shown}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _absent(resource: Resource, name: str) -> str:
    return f"This {type(resource).__name__} has no field {name!r}."


@functools.cache
def _optional_fields(cls: type) -> frozenset[str]:
    """Return the names of the fields that are annotated with None."""
    hints = typing.get_type_hints(cls)
    return frozenset(name for name, hint in hints.items() if _allows_none(hint))


def _allows_none(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
