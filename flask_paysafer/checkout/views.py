"""The checkout over HTTP: the page, its status, its style sheet and script.

The page's form sends a token and nothing else. Its answer is always a redirect to
the page itself, which shows what PaySafer says: reloading never pays, the back
button finds the present state, and a strict ``form-action`` is never left.
"""

from __future__ import annotations

import logging
import re
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    after_this_request,
    jsonify,
    make_response,
    redirect,
    request,
)
from werkzeug.wrappers import Response as AnyResponse

from ..errors import InboxUnavailableError, TooManyAttemptsError
from .forms import holds_card_data, is_genuine
from .orders import CheckoutOrder, is_reference
from .phases import SETTLED, phase_of
from .rendering import Renderer, asset, shown_amount

if TYPE_CHECKING:
    from ..state import AppState
    from .service import Checkout

logger = logging.getLogger(__name__)

_TOKEN = re.compile(r"tok_[A-Za-z0-9_]{1,200}")
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_MAX_BYTES = 65_536


def add_checkout_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add the checkout's routes and templates to the extension's blueprint."""
    views = _Views(state)
    rule = "/checkout/<reference>"
    blueprint.add_url_rule(rule, "checkout", views.checkout, methods=["GET", "POST"])
    blueprint.add_url_rule(f"{rule}/status", "checkout_status", views.status)
    blueprint.add_url_rule("/assets/<version>/<name>", "checkout_asset", serve_asset)
    # A blueprint of its own, for templates can't be added to one that exists.
    blueprint.register_blueprint(
        Blueprint("checkout_templates", __name__, template_folder="templates")
    )


class _Views:
    def __init__(self, state: AppState) -> None:
        self._state = state
        self._renderer = Renderer(state.config)
        self._policy = _content_policy(state.config.api_base)

    def checkout(self, reference: str) -> AnyResponse:
        """Show the order's page, or take what its form sends."""
        # After the request, so that a refusal has the headers too.
        after_this_request(self._guard)
        try:
            return self._checkout(reference)
        except InboxUnavailableError:
            logger.exception("The checkout's database can't be used")
            return _retry_later()

    def _checkout(self, reference: str) -> AnyResponse:
        if request.method == "POST":
            _check_body()
        checkout, order = self._find(reference)
        if request.method == "POST":
            return self._receive(checkout, reference, order)
        return self._show(checkout, reference, order)

    def _find(self, reference: str) -> tuple[Checkout, CheckoutOrder]:
        """Return the checkout and the order; 404 before the loader meets what can be no reference.

        A loader's database may choke on a NUL, and take "1 " for "1": two orders for us.
        """
        checkout = self._state.checkout
        order = checkout.find(reference) if is_reference(reference) else None
        if order is None:
            abort(404)
        return checkout, order

    def _show(
        self,
        checkout: Checkout,
        reference: str,
        order: CheckoutOrder,
        *,
        notice: str | None = None,
        status: int = 200,
    ) -> AnyResponse:
        attempt = checkout.look(reference, order)
        if phase_of(attempt, order) in SETTLED and _is_here(order.success_url):
            return redirect(order.success_url, 303)
        page = self._renderer.page(
            reference, order, attempt, notice=notice, go="go" in request.args
        )
        return make_response(page, status)

    def _receive(self, checkout: Checkout, reference: str, order: CheckoutOrder) -> AnyResponse:
        if not is_genuine(request.form):
            return self._show(checkout, reference, order, notice="expired_page", status=400)
        if request.form.get("action") == "restart":
            checkout.restart(reference, order)
            return redirect(self._renderer.checkout_url(reference), 303)
        # A template of the merchant's own may leave the field out; it never sets the amount.
        if request.form.get("shown", shown_amount(order)) != shown_amount(order):
            return self._show(checkout, reference, order, notice="total_changed", status=409)
        payment_method = _chosen_method(order)
        if payment_method is None:
            return self._show(checkout, reference, order, notice="card_unusable", status=400)
        return self._pay(checkout, reference, order, payment_method)

    def _pay(
        self, checkout: Checkout, reference: str, order: CheckoutOrder, payment_method: str
    ) -> AnyResponse:
        try:
            checkout.pay(
                reference,
                order,
                payment_method=payment_method,
                return_url=self._renderer.checkout_url(reference, external=True),
            )
        except TooManyAttemptsError:
            return self._show(checkout, reference, order, notice="too_many", status=429)
        return redirect(self._renderer.checkout_url(reference, go=1), 303)

    def status(self, reference: str) -> AnyResponse:
        """Tell the page's script in which phase the order is."""
        after_this_request(self._guard)
        try:
            checkout, order = self._find(reference)
            phase = phase_of(checkout.look(reference, order, early=0.0), order)
        except InboxUnavailableError:
            return _retry_later()
        return jsonify(state=phase, settled=phase in SETTLED)

    def _guard(self, answer: Response) -> Response:
        headers = answer.headers
        headers.setdefault("Content-Security-Policy", self._policy)
        # Kept nowhere: the back button has to ask what has become of the order.
        headers["Cache-Control"] = "no-store"
        # Not "no-referrer": Flask-WTF checks the referrer of forms over https.
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        return answer


def serve_asset(version: str, name: str) -> AnyResponse:
    """Serve the style sheet or the script; an older version's address gets the present one."""
    try:
        found = asset(name)
    except KeyError:
        abort(404)
    answer = Response(found.content, content_type=found.content_type)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    is_present = version == found.version
    answer.headers["Cache-Control"] = (
        "public, max-age=31536000, immutable" if is_present else "no-cache"
    )
    return answer


def _check_body() -> None:
    request.max_content_length = _MAX_BYTES
    if request.mimetype not in _FORM_TYPES:
        abort(415)
    fields = chain(request.form.items(multi=True), request.args.items(multi=True))
    if holds_card_data(fields) or request.files:
        abort(400, "Card data must not be sent to the shop: it goes to PaySafer alone.")


def _chosen_method(order: CheckoutOrder) -> str | None:
    if order.payment_method and request.form.get("method") == "saved":
        return order.payment_method
    token = request.form.get("token", "")
    return token if _TOKEN.fullmatch(token) else None


def _retry_later() -> AnyResponse:
    answer = make_response("The checkout is not available right now. Please try again.", 503)
    answer.headers["Retry-After"] = "5"
    return answer


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.netloc or (parts.scheme, parts.netloc) == (request.scheme, request.host)


def _content_policy(api_base: str) -> str:
    api = urlsplit(api_base)
    return (
        f"default-src 'self'; connect-src 'self' {api.scheme}://{api.netloc}; "
        "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
