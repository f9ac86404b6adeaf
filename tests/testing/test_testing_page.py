"""The tests that the page on testing shows are saved and run together."""

from __future__ import annotations

from pathlib import Path

import pytest

import flask_paysafer

from .merchant import plugin_options
from .walkthrough import File, steps

pytestmark = pytest.mark.slow

pytest_plugins = ["pytester"]

PAGE = Path(flask_paysafer.__file__).parents[1] / "docs" / "testing.md"


@pytest.mark.usefixtures("loaded")
def test_every_test_of_the_page_passes(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(pytester.path))
    files = [step for step in steps(PAGE.read_text()) if isinstance(step, File)]
    for file in files:
        (pytester.path / file.name).write_text(file.content)
    result = pytester.runpytest(*plugin_options(), "-p", "no:cacheprovider")
    shown = sum(file.content.count("\ndef test_") for file in files)
    assert shown == 11
    result.assert_outcomes(passed=shown)
