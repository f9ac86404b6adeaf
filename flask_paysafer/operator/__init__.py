"""The operator page: what came in, what became of it, and a second try."""

from .routes import Desk, add_operator_routes

__all__ = ["Desk", "add_operator_routes"]
