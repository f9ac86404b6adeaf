"""Whether what somebody set is what the extension read: misspelt, unread or set too late."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches

from ....config import SETTING_NAMES, Config, load_config
from ....errors import ConfigurationError
from ....state import states
from ..findings import Finding, warning
from ..patient import Patient

_ALIKE = 0.75


def check_names(patient: Patient) -> Iterator[Finding]:
    """Yield the settings that have no effect."""
    yield from _misspelt(patient)
    yield from _unread(patient)
    yield from _too_late(patient)


def _misspelt(patient: Patient) -> Iterator[Finding]:
    prefix = patient.setting("")
    for name in sorted({*patient.state.app.config, *os.environ}):
        meant = _meant(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if meant is not None and not _is_of_account(name, patient):
            yield warning(
                f"{name} is set, and there is no such setting.",
                why="It has no effect.",
                cure=f"If {prefix}{meant} is meant, rename it; else remove it.",
            )


def _meant(ending: str) -> str | None:
    """Return what looks like ``ending`` and is a setting; nothing for another account's own."""
    if any(f"_{ending}".endswith(f"_{known}") for known in SETTING_NAMES):
        return None
    return next(iter(get_close_matches(ending, SETTING_NAMES, n=1, cutoff=_ALIKE)), None)


def _is_of_account(name: str, patient: Patient) -> bool:
    """Whether a longer account name begins like this one, as paysafer_eu does like paysafer."""
    own = patient.config.name
    longer = [other for other in states(patient.state.app) if len(other) > len(own)]
    return any(name.startswith(f"{other.upper()}_") for other in longer)


def _unread(patient: Patient) -> Iterator[Finding]:
    config = patient.state.app.config
    for setting in map(patient.setting, SETTING_NAMES):
        if f"FLASK_{setting}" in os.environ and config.get(setting) is None:
            yield warning(
                f"FLASK_{setting} is in the environment, and the app does not read it.",
                why="It has no effect.",
                cure="Call app.config.from_prefixed_env() before paysafer.init_app(app), or name "
                f"it {setting}.",
            )


def _too_late(patient: Patient) -> Iterator[Finding]:
    app = patient.state.app
    setting = patient.setting("API_PROFILE")
    is_set = app.config.get(setting) is not None or setting in os.environ
    try:
        now = load_config(
            app.config,
            os.environ,
            name=patient.config.name,
            profile=None if is_set else patient.config.profile,
            root=app.root_path,
        )
    except ConfigurationError:
        return
    for suffix, attribute in zip(SETTING_NAMES, _ATTRIBUTES, strict=True):
        if getattr(now, attribute) != getattr(patient.config, attribute):
            yield warning(
                f"{patient.setting(suffix)} was changed after the extension had read it.",
                why="Settings are read once, by init_app: the change has no effect.",
                cure="Set it before paysafer.init_app(app), or before PaySafer(app).",
            )


_ATTRIBUTES = tuple(field.name for field in fields(Config) if field.name != "name")
"""What the settings fill, in their order."""
