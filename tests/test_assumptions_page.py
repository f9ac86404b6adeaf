"""The page of assumptions is made from ``ApiProfile``."""

from __future__ import annotations

import runpy
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_the_page_has_every_key_of_the_profile_with_its_default() -> None:
    """Run ``python docs/assumptions.py`` where this fails."""
    made = runpy.run_path(str(DOCS / "assumptions.py"))
    assert made["page"]() == (DOCS / "assumptions.md").read_text("utf-8")
