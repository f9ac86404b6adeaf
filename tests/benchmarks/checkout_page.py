"""The checkout page in a request, beside a bare Jinja render of the same templates."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, current_app, template_rendered
from jinja2 import Template

from flask_paysafer import CheckoutOrder, Money, PaySafer
from flask_paysafer.checkout.rendering import Renderer
from flask_paysafer.state import get_state

from .findings import Finding, Goal
from .measuring import Effort, interleave, repeated

ORDER = CheckoutOrder(
    reference="1234",
    amount=Money(15000, "aed"),
    description="Yirgacheffe, 1 kg",
    success_url="https://shop.example/orders/1234",
    cancel_url="https://shop.example/basket",
)


def measure(effort: Effort) -> Iterator[Finding]:
    """Yield the one finding."""
    app = _shop()
    renderer = Renderer(get_state(app).config)
    with app.test_request_context("/paysafer/checkout/1234"):
        series = interleave(
            {
                "ours": repeated(lambda: _page(renderer), effort),
                "jinja": repeated(_bare(app, renderer), effort),
            },
            effort.rounds,
        )
    yield Finding(
        "checkout page render",
        "bare Jinja render of the same templates",
        Goal(1.2),
        series["ours"],
        series["jinja"],
    )


def _shop() -> Flask:
    app = Flask("shop")
    app.config.from_mapping(
        SECRET_KEY="benchmarks",
        PAYSAFER_SECRET_KEY="sk_test_benchmarks",
        PAYSAFER_PUBLISHABLE_KEY="pk_test_benchmarks",
    )
    PaySafer(app)
    return app


def _page(renderer: Renderer) -> str:
    with current_app.app_context():  # every page is a request of its own
        return renderer.page("1234", ORDER, None)


def _bare(app: Flask, renderer: Renderer) -> Callable[[], list[str]]:
    """Return a render of the templates that a page is made of, all values worked out before."""
    used: list[tuple[Template, dict[str, Any]]] = []

    def note(_: Flask, template: Template, context: dict[str, Any], **__: Any) -> None:
        used.append((template, context))

    with template_rendered.connected_to(note, app):
        _page(renderer)
    return lambda: [template.render(context) for template, context in used]
