from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_paysafer.sandbox import Sandbox


@pytest.fixture(scope="module")
def served() -> Iterator[Sandbox]:
    with Sandbox() as sandbox, sandbox.serve():
        yield sandbox


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that the doctor does not take for a temporary one: neither /tmp nor in memory."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        yield Path(folder)
