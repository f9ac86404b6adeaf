"""Run the Python examples of these pages as tests: a page is one module in a folder of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser, SkipParser


def _enter(namespace: dict[str, Any]) -> None:
    """Let ``Flask(__name__)`` find its files, and its instance folder, in an empty folder."""
    folder, patch = TemporaryDirectory(), pytest.MonkeyPatch()
    page = ModuleType("docs_page")
    page.__file__ = str(Path(folder.name) / "docs_page.py")
    patch.setitem(sys.modules, page.__name__, page)
    patch.chdir(folder.name)
    for variable in [name for name in os.environ if name.startswith("PAYSAFER_")]:
        if not variable.startswith("PAYSAFER_TEST_"):
            patch.delenv(variable)
    namespace.update(__name__=page.__name__, _folder=folder, _patch=patch)


def _leave(namespace: dict[str, Any]) -> None:
    namespace["_patch"].undo()
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), SkipParser()],
    patterns=["*.md"],
    setup=_enter,
    teardown=_leave,
).pytest()
