"""Remember where a reconcile stands, so that one that was interrupted can go on."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ...errors import ConfigurationError
from ...state import AppState


@dataclass(frozen=True)
class Place:
    """How far a reconcile has come."""

    since: int
    """Unix seconds: where it ends."""
    after: str | None = None
    """The last payment that was looked at."""


class Bookmark:
    """A small file in the instance folder. Where that can't be written, nothing is kept."""

    def __init__(self, state: AppState) -> None:
        self._path = Path(state.app.instance_path) / f"{state.config.name}-reconcile.json"

    def read(self) -> Place:
        """Return the place where the last reconcile was interrupted.

        :raises ConfigurationError: if none was.
        """
        try:
            return Place(**json.loads(self._path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            raise ConfigurationError(
                "No interrupted reconcile is known here. Begin one with --since 48h."
            ) from None

    def put(self, place: Place) -> None:
        """Keep the place."""
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(asdict(place)), "utf-8")

    def remove(self) -> None:
        """Forget it: the end was reached."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)
