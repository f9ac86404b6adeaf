"""Read ``--set data.amount=5000``: the text becomes what the field takes."""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Iterable
from typing import Any

from ...errors import OverrideError
from ...event_examples import field_type, overridable


def read_overrides(event_type: str, texts: Iterable[str]) -> dict[str, Any]:
    """Return the values by path.

    :raises OverrideError: for an unknown type or path, or a text that isn't what the path takes.
    """
    paths = overridable(event_type)
    found: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise OverrideError(f"--set takes key=value, such as data.amount=5000, not {text!r}.")
        found[path] = _read(value, field_type(path, paths))
    return found


def _read(text: str, hint: Any) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(None) in kinds and text == "null":
        return None
    if str in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # it doesn't fit, and the check of the values says what would
