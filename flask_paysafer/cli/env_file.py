"""Write a secret into a ``.env`` file without it ever reaching a repository.

Everything that can fail is tried before PaySafer makes the secret, for PaySafer
tells it only once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .. import signing
from ..errors import ConfigurationError

_PRIVATE = 0o600


@dataclass(frozen=True)
class EnvFile:
    """A file of settings that may hold secrets."""

    path: Path

    @classmethod
    def open(cls, path: Path) -> EnvFile:
        """Return the file, there or not.

        :raises ConfigurationError: if git would take it, or it can't be written.
        """
        path = path.resolve()
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
            raise ConfigurationError(
                f"{path} can't be written: its folder is not there or not ours."
            )
        _check_ignored(path)
        file = cls(path)
        file._lines()
        return file

    def write(self, setting: str, value: str, *, beside_present: bool) -> str:
        """Set ``setting``, keep all other lines, and return the name it was set under.

        A setting that stands there with Flask's prefix (``FLASK_…``) is changed under
        that name, for it would win over the plain one.

        :param beside_present: Add the value behind a comma, where both are in use.
        """
        lines = self._lines()
        name, present = _present(lines, setting)
        if beside_present and present:
            value = f"{value},{present}"
        self._replace([line for line in lines if not _sets(line, name)] + [f"{name}={value}"])
        return name

    def values(self, setting: str) -> list[str]:
        """Return the values that ``setting`` holds, divided at commas."""
        return _present(self._lines(), setting)[1].split(",")

    def keep_only(self, setting: str, fingerprint: str) -> bool:
        """Drop all values of ``setting`` but this one; False, and nothing is done, without it."""
        lines = self._lines()
        name, present = _present(lines, setting)
        kept = [value for value in present.split(",") if signing.fingerprint(value) == fingerprint]
        if not kept:
            return False
        line = f"{name}={kept[0]}"
        self._replace([line if _sets(one, name) else one for one in lines])
        return True

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text("utf-8").splitlines() if self.path.exists() else []
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(
                f"{self.path} can't be read: {type(error).__name__}."
            ) from None

    def _replace(self, lines: list[str]) -> None:
        # Private from its first byte on, and whole or not there at all.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".env-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write("\n".join(lines) + "\n")
            Path(name).chmod(_PRIVATE)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _present(lines: list[str], setting: str) -> tuple[str, str]:
    """Return the name that the setting has in the file, and its value."""
    for name in (f"FLASK_{setting}", setting):
        for line in lines:
            if _sets(line, name):
                return name, line.partition("=")[2].strip().strip("\"'")
    return setting, ""


def _sets(line: str, name: str) -> bool:
    return re.match(rf"\s*(export\s+)?{re.escape(name)}\s*=", line) is not None


def _check_ignored(path: Path) -> None:
    if not any((folder / ".git").exists() for folder in path.parents):
        return
    git = shutil.which("git")
    ignored = git is not None and _is_ignored(git, path)
    if not ignored:
        raise ConfigurationError(
            f"{path.name} is in a git repository that does not ignore it: the secret would be "
            f"committed sooner or later. Add a line with {path.name} to .gitignore first."
        )


def _is_ignored(git: str, path: Path) -> bool:
    # A file that is tracked already counts as not ignored, whatever .gitignore says.
    command = [git, "-C", str(path.parent), "check-ignore", "--quiet", "--", path.name]
    finished = subprocess.run(command, capture_output=True, check=False, timeout=10)  # noqa: S603 (git, and a path that can be no option)
    return finished.returncode == 0
