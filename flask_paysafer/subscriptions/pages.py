"""The page behind ``payment_url``: what is due, and any card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from ..state import AppState


def add_pay_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add ``GET|POST pay/<token>`` to the extension's blueprint."""

    def pay(token: str) -> Response:
        return Response(f"{state.config.name}: {token}", 410)

    blueprint.add_url_rule("/pay/<token>", "pay", pay, methods=["GET", "POST"])
