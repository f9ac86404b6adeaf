"""Write the sandbox's settings into a ``.env`` file and leave its other lines untouched."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import ConfigurationError

_ASSIGNMENT = re.compile(
    r"(\s*(?:export\s+)?(?:FLASK_)?)(PAYSAFER_[A-Z0-9_]+)(\s*=[ \t]*)(.*)", re.S
)
_LIVE_KEY = re.compile(r"[\"']?[sp]k_live_")


def write_settings(path: str | Path, settings: Mapping[str, str]) -> None:
    """Set each of ``settings`` in the file, which is created if it does not exist.

    An assignment that is there is replaced in its line, with its ``export`` or ``FLASK_``;
    one that is not is added at the end. The file is replaced in one step.

    :raises ConfigurationError: if the file holds a live key: it is not one for a sandbox.
    :raises OSError: if it can't be read or written.
    """
    file = Path(path).resolve()
    before = file.read_bytes() if file.exists() else b""
    # Bytes that are no UTF-8 in other lines come through as they are.
    lines = before.decode("utf-8", "surrogateescape").splitlines(keepends=True)
    ending = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    if lines and not lines[-1].endswith(("\n", "\r")):
        lines[-1] += ending
    missing = dict(settings)
    for place, line in enumerate(lines):
        assignment = _ASSIGNMENT.fullmatch(line)
        if assignment is None:
            continue
        prefix, name, equals, value = assignment.groups()
        if _LIVE_KEY.match(value):
            raise ConfigurationError(
                f"{path} holds a live key in {name}. Sandbox settings never go into a file with "
                "live keys: name another file with --env-file."
            )
        if name in settings:
            lines[place] = f"{prefix}{name}{equals}{settings[name]}{ending}"
            missing.pop(name, None)
    lines += [f"{name}={value}{ending}" for name, value in missing.items()]
    _replace(file, "".join(lines).encode("utf-8", "surrogateescape"))


def _replace(file: Path, content: bytes) -> None:
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o600
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
        Path(temporary).chmod(mode)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
