"""Where the operator page is found. Its views are loaded with the first request for one.

Most processes of a shop never show it, and every one of them imports this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import Blueprint
from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from ..inbox.store import Inbox
    from ..webhooks.runner import Dispatcher, OneHandler


class Desk(NamedTuple):
    """What the page works with. Everything is asked for late, at the first request.

    :param may_enter: Returns the merchant's function that says who may see the page,
        or None where there is none.
    """

    name: str
    inbox: Callable[[], Inbox]
    dispatcher: Callable[[], Dispatcher]
    one_handler: Callable[[], OneHandler]
    may_enter: Callable[[], Callable[[], object] | None]


def add_operator_routes(blueprint: Blueprint, desk: Desk) -> None:
    """Add the page's routes and templates to the extension's blueprint."""

    def add(rule: str, name: str, **options: Any) -> None:
        blueprint.add_url_rule(f"/operator/{rule}", name, _view(desk, name), **options)

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


def _view(desk: Desk, name: str) -> Callable[..., Response]:
    def view(**arguments: Any) -> Response:
        from .views import Views

        return Views(desk).answer(name, arguments)

    view.__name__ = name  # others exempt or wrap views by their names
    return view
