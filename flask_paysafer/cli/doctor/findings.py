"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note", "ok"]
"""``error``: payments or events go wrong. ``warning``: they may. ``note``: good to know."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note", "ok")


@dataclass(frozen=True)
class Finding:
    """One thing that is as it should be, or isn't."""

    level: Level
    what: str
    """What is found, naming the setting or the thing."""
    why: str = ""
    """Why it matters."""
    cure: str = ""
    """What exactly to do."""


def error(what: str, *, why: str, cure: str) -> Finding:
    """Return a finding that stops payments or loses events."""
    return Finding("error", what, why, cure)


def warning(what: str, *, why: str, cure: str) -> Finding:
    """Return a finding that may come to harm."""
    return Finding("warning", what, why, cure)


def note(what: str, *, why: str = "", cure: str = "") -> Finding:
    """Return something that is good to know."""
    return Finding("note", what, why, cure)


def ok(what: str) -> Finding:
    """Return something that is as it should be."""
    return Finding("ok", what)
