"""The dashboard: what the sandbox did, live, and buttons to steer it."""

from .views import add_dashboard_routes

__all__ = ["add_dashboard_routes"]
