"""What one app holds of one extension: its settings, and what is built from them.

One :class:`AppState` per app and extension name lives in
``app.extensions["paysafer"]``, so several apps and several accounts share
nothing. Whatever touches a database or the network is built at its first use:
a shop that only takes checkouts never opens an inbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import RLock
from typing import Any

from flask import Flask, current_app

from .config import Config
from .errors import ConfigurationError

_KEY = "paysafer"


@dataclass(eq=False, kw_only=True)
class AppState:
    """This app's objects of one extension."""

    app: Flask
    config: Config
    db: Any = None
    _lock: RLock = field(default_factory=RLock, repr=False)
    _built: dict[str, Any] = field(default_factory=dict, repr=False)

    def _once(self, name: str, build: Callable[[], Any]) -> Any:
        if name not in self._built:
            with self._lock:
                if name not in self._built:
                    self._built[name] = build()
        return self._built[name]


def states(app: Flask) -> Mapping[str, AppState]:
    """Return every extension's state in ``app``, by the extension's name."""
    found: Mapping[str, AppState] = app.extensions.get(_KEY, {})
    return found


def get_state(app: Flask | None = None, name: str = "paysafer") -> AppState:
    """Return the state of the extension called ``name`` in ``app``.

    :param app: Without one, the current app.
    :raises ConfigurationError: if ``init_app`` was not called for it.
    """
    app = app or current_app
    try:
        return states(app)[name]
    except KeyError:
        raise ConfigurationError(
            f"The app has no PaySafer extension called {name!r}. Did you forget to call "
            "paysafer.init_app(app)?"
        ) from None


def add_state(state: AppState) -> None:
    """Put ``state`` into its app.

    :raises ConfigurationError: if the app has one of that name already.
    """
    held = state.app.extensions.setdefault(_KEY, {})
    if state.config.name in held:
        raise ConfigurationError(
            f"A PaySafer extension called {state.config.name!r} is already registered on this "
            "app. Call init_app once, or give the second account a name: PaySafer(name=…)."
        )
    held[state.config.name] = state
