"""Write JSON as Python source: wrapped, and with ids replaced by where they come from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

WIDTH = 88
ID = re.compile(r"\b(?:pay|cus|we|tok|dp|po|evt|dlv)_[0-9A-Za-z]{24}\b")
"""The ids that the sandbox gives."""

Names = Mapping[str, str]
"""The Python expression that stands for each id."""


def as_source(value: Any, names: Names | None = None, *, indent: int = 0, used: int = 0) -> str:
    """Return a Python expression for ``value``.

    :param names: Expressions to write in place of ids.
    :param indent: How deep the line that it starts on is indented.
    :param used: How much of that line is taken already, the indent included.
    """
    flat = _flat(value, names or {})
    if len(flat) + used <= WIDTH or not value or not isinstance(value, dict | list):
        return flat
    return _wrapped(value, names or {}, indent)


def _flat(value: Any, names: Names) -> str:
    if isinstance(value, str):
        return _text(value, names)
    if isinstance(value, dict):
        inner = ", ".join(f"{_text(key, {})}: {_flat(one, names)}" for key, one in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flat(one, names) for one in value)}]"
    return repr(value)


def _wrapped(value: Any, names: Names, indent: int) -> str:
    inside, pad = indent + 4, " " * (indent + 4)
    if isinstance(value, dict):
        heads = [(f"{pad}{_text(key, {})}: ", one) for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        heads = [(pad, one) for one in value]
        opening, closing = "[", "]"
    lines = [
        head + as_source(one, names, indent=inside, used=len(head) + 1) + "," for head, one in heads
    ]
    return "\n".join([opening, *lines, " " * indent + closing])


def _text(text: str, names: Names) -> str:
    """Return a literal in double quotes, an expression, or an f-string with expressions."""
    if text in names:
        return names[text]
    known = [found for found in ID.findall(text) if found in names]
    if not known:
        return _quoted(text)
    literal = _quoted(text.replace("{", "{{").replace("}", "}}"))
    for found in known:
        literal = literal.replace(found, f"{{{names[found]}}}")
    return "f" + literal


def _quoted(text: str) -> str:
    """Return a literal in double quotes: those of JSON mean the same in Python."""
    literal = json.dumps(text, ensure_ascii=False)
    # JSON lets half a surrogate pair through, which no file could hold.
    return literal.encode("utf-8", "backslashreplace").decode()
