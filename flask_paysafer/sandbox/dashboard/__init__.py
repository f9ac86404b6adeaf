"""The dashboard: what the sandbox did, and buttons to steer it."""

from __future__ import annotations

from flask import Flask, request
from flask.typing import ResponseReturnValue

from ..loopback import require_loopback
from ..verbs import Verbs


def add_dashboard_routes(app: Flask, verbs: Verbs) -> None:
    """Add the page at ``/``."""

    @app.get("/")
    def dashboard() -> ResponseReturnValue:
        require_loopback(request)
        return {"sandbox": "PaySafer", "clock": verbs.clock()}
