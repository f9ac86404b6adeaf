"""The page on security names a test for every control; each of them exists."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", (ROOT / "docs" / "security.md").read_text())


def test_the_page_names_tests() -> None:
    assert len(NAMED) > 50


def test_the_named_tests_exist() -> None:
    lost = [f"{file}::{name}" for file, name in NAMED if not _exists(ROOT / file, name)]
    assert lost == []


def _exists(file: Path, name: str) -> bool:
    return file.exists() and f"def {name}(" in file.read_text()


def test_every_control_names_a_test() -> None:
    page = (ROOT / "docs" / "security.md").read_text()
    threats = page.partition("## The webhook door")[2].partition("## What is not defended")[0]
    sections = re.split(r"^##+ ", threats, flags=re.MULTILINE)
    without = [text.splitlines()[0] for text in sections[1:] if "::test_" not in text]
    assert without == ["The checkout"]
