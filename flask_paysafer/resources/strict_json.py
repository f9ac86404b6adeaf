"""Read JSON that no other reader could take for something else.

A key given twice, NaN or a number beyond all bounds is refused, not guessed at. Python's
reader tells of keys given twice only through a hook that doubles its time, so the usual
text is read without it, and a count of colons proves that there are none.
"""

from __future__ import annotations

import json
import threading
from typing import Any, NoReturn

from ..errors import InvalidPayloadError

__all__ = ["MAX_DEPTH", "read"]

MAX_DEPTH = 100
"""How deep a body may be nested. PaySafer's own are four deep; Python's limit is near 1,000."""


def read(payload: bytes) -> Any:
    """Return what the JSON in ``payload`` says.

    :raises InvalidPayloadError: if it is no JSON, or can be read in two ways.
    """
    try:
        text = payload.decode()
        fields = _read_usual(text) if text[:1] == "{" else None
        if fields is None:
            fields = _read_closely(text)
        # The one character is looked for first: that is twenty times as fast.
        if "\\" in text and "\\u" in text:
            _refuse_lone_surrogates(fields)
    except UnicodeError:
        raise InvalidPayloadError("The payload is not UTF-8 text.") from None
    except RecursionError:
        raise InvalidPayloadError("The payload can't be read: it is nested too deep.") from None
    except ValueError as error:
        # Not str(error) of JSON's own: harmless today, but it is free to quote the document.
        reason = str(error) if isinstance(error, _AmbiguousError) else "it is not JSON"
        raise InvalidPayloadError(f"The payload can't be read: {reason}.") from None
    return fields


class _AmbiguousError(ValueError):
    """Readers of JSON differ about it."""


class _Objects(threading.local):
    """How many pairs each object holds that this thread has read."""

    sizes: list[int]


_objects = _Objects()


def _count(fields: dict[str, Any]) -> dict[str, Any]:
    _objects.sizes.append(len(fields))
    return fields


def _read_usual(text: str) -> Any:
    """Return what ``text`` says if it surely is not deep and gives no key twice; else None."""
    sizes: list[int] = []
    _objects.sizes = sizes
    fields, end = _QUICK.raw_decode(text)
    lists = text.count("[") if "[" in text else 0
    is_plain = end == len(text) and len(sizes) + lists <= MAX_DEPTH
    return fields if is_plain and _has_no_more_pairs(text, sum(sizes)) else None


def _read_closely(text: str) -> Any:
    fields = _STRICT.decode(text)
    if _depth(fields) > MAX_DEPTH:
        raise _AmbiguousError("it is nested too deep")
    return fields


def _has_no_more_pairs(text: str, pairs: int) -> bool:
    """Whether ``text`` can't write more than the ``pairs`` that its objects kept.

    Every pair has a colon of its own. Texts hold colons too, but the colon of a pair
    follows the key's quote at once, unless there are colons after white space.
    """
    if text.count(":") == pairs:
        return True
    return text.count('":') == pairs and not any(f"{space}:" in text for space in " \t\r\n")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _AmbiguousError("it gives a key twice")
    return fields


def _refuse_constant(_: str) -> NoReturn:
    raise _AmbiguousError("it holds NaN or Infinity, which are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in {float("inf"), float("-inf")}:
        raise _AmbiguousError("it holds a number beyond all bounds")
    return number


_QUICK = json.JSONDecoder(object_hook=_count, parse_constant=_refuse_constant, parse_float=_finite)
_STRICT = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)


def _refuse_lone_surrogates(fields: Any) -> None:
    # "\ud800" alone is legal JSON, but no text: no database or file could store it.
    json.dumps(fields, ensure_ascii=False).encode()


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, (dict, list))
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return depth
