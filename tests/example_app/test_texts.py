"""The shop's words in both languages."""

from __future__ import annotations

import re

import pytest

from example_app.texts import ARABIC


@pytest.mark.parametrize("text", [text for text in ARABIC if "{" in text])
def test_the_arabic_names_what_the_english_names(text: str) -> None:
    names = re.compile(r"\{\w+\}")
    assert sorted(names.findall(ARABIC[text])) == sorted(names.findall(text))
