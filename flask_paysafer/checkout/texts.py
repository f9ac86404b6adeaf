"""The checkout's words: English and Arabic are here, more come from Flask-Babel.

Where the app has Flask-Babel, a translation of the English text in the merchant's
own catalogue wins, for these two languages too. Everything else works without it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from flask import current_app, has_request_context, request

from ..money import Money

SHIPPED = ("en", "ar")

_RIGHT_TO_LEFT = frozenset({"ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"})


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """Return the texts of a language that is shipped, by their names."""
    text = files(__package__).joinpath(f"catalogues/{language}.json").read_text("utf-8")
    texts: Mapping[str, str] = json.loads(text)
    return texts


class Texts:
    """The texts and amounts of one page, in its language."""

    def __init__(self, locale: str | None = None) -> None:
        self._babel = _flask_babel()
        self.locale = locale or _locale_of_request()
        """A language tag, such as ``ar`` or ``en-AE``."""
        language = self.locale.partition("-")[0]
        self.direction = "rtl" if language in _RIGHT_TO_LEFT else "ltr"
        self._own = catalogue(language) if language in SHIPPED else catalogue("en")

    def __call__(self, name: str, **values: str) -> str:
        """Return the text called ``name``, with its ``{placeholders}`` filled in."""
        text = self._translated(catalogue("en")[name]) or self._own[name]
        for placeholder, value in values.items():
            text = text.replace("{" + placeholder + "}", value)
        return text

    def amount(self, money: Money) -> str:
        """Return the sum as it is written in the language; plainly where Babel is missing."""
        return format_money(money, self.locale)

    def _translated(self, english: str) -> str | None:
        if self._babel is None:
            return None
        with _forced(self._babel, self.locale):
            text: str = self._babel.gettext(english)
        return text if text != english else None


def normalised(locale: Any) -> str:
    """Return a language tag as HTML writes it: ``ar-AE`` for ``ar_AE``."""
    return str(locale).replace("_", "-")


@lru_cache(maxsize=1024)
def format_money(money: Money, locale: str) -> str:
    """Return the sum as people of ``locale`` write it, or ``AED 150.00`` without Babel."""
    try:
        from babel.core import UnknownLocaleError
    except ImportError:
        return str(money)
    try:
        return money.format(locale)
    except (UnknownLocaleError, ValueError):
        return money.format("en")


def _locale_of_request() -> str:
    babel = _flask_babel()
    chosen = babel.get_locale() if babel is not None else None
    if chosen is not None:
        return normalised(chosen)
    if not has_request_context():
        return "en"
    return request.accept_languages.best_match(SHIPPED) or "en"


def _flask_babel() -> Any:
    # Imported by whoever uses it: we neither need nor load it.
    return sys.modules.get("flask_babel") if "babel" in current_app.extensions else None


def _forced(babel: Any, locale: str) -> AbstractContextManager[Any]:
    if normalised(babel.get_locale()) == locale:
        return nullcontext()
    forced: AbstractContextManager[Any] = babel.force_locale(locale.replace("-", "_"))
    return forced
