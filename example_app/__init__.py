"""Dallah Roasters: a small shop that takes payments through PaySafer.

Start it with ``python -m example_app``; ``create_app`` is what ``flask --app
example_app`` and a WSGI server use.
"""

from .shop import create_app

__all__ = ["create_app"]
