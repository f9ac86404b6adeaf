"""The operator page: what came in, what became of it, and a second try.

Its views are loaded with the first request for one: most processes of a shop never show
it, and every one of them imports this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Blueprint
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from ..state import AppState


def add_operator_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add the page's routes and templates to the extension's blueprint."""

    def add(rule: str, name: str, **options: Any) -> None:
        blueprint.add_url_rule(f"/operator/{rule}", name, _view(state, name), **options)

    # Without a redirect to the slash: that would tell that there is such a page.
    add("", "operator", strict_slashes=False)
    add("events/<int:key>", "operator_event")
    add("events/<int:key>/replay", "operator_replay", methods=["POST"])
    add("events/<int:key>/quarantine", "operator_quarantine", methods=["POST"])
    add("style.css", "operator_style")
    # A blueprint of its own, for templates can't be added to one that exists.
    blueprint.register_blueprint(
        Blueprint("operator_templates", __name__, template_folder="templates")
    )


def _view(state: AppState, name: str) -> Callable[..., Response]:
    def view(**arguments: Any) -> Response:
        from .views import Views

        return Views(state).answer(name, arguments)

    view.__name__ = name  # others exempt or wrap views by their names
    return view
