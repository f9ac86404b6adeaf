"""Let PaySafer's deliveries past Flask-WTF's CSRF protection, and nothing else.

A delivery comes from no browser and carries no cookie, so a CSRF token means
nothing to it: its signature is what protects it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask


def exempt_from_csrf(app: Flask, view: Callable[..., Any]) -> None:
    """Exempt ``view`` if the app has a ``CSRFProtect`` by now.

    Called with each delivery, because the protection may be initialised after this
    extension; it is one entry in a set, so doing it again costs nothing.
    """
    protection = app.extensions.get("csrf")
    if protection is not None and hasattr(protection, "exempt"):
        protection.exempt(view)
