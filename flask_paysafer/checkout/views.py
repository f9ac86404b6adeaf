"""The checkout over HTTP: the page, its status, its style sheet and script.

The page's form sends a token and nothing else. A script's form is answered with JSON, so that
the fields stay after a decline; any other with a redirect to the page itself, which shows what
PaySafer says: reloading never pays, the back button finds the present state, and a strict
``form-action`` is never left.
"""

from __future__ import annotations

import logging
import math
import re
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import (
    Blueprint,
    Response,
    abort,
    after_this_request,
    current_app,
    jsonify,
    make_response,
    redirect,
    request,
)
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from ..errors import InboxUnavailableError, OrderClosedError, PaymentRefused, TooManyAttemptsError
from ..hosts import return_host
from .forms import holds_card_data, is_genuine, note_order, noted_order, session_problem, take_go
from .orders import CheckoutOrder, is_reference, is_web_address
from .phases import SETTLED, phase_of
from .rendering import Notice, Renderer, asset, notice_for, saved_cards, shown_amount
from .service import Choice, NotFreeYetError
from .texts import Texts

if TYPE_CHECKING:
    from ..inbox.attempts import OrderRecord
    from ..state import AppState
    from .service import Checkout

logger = logging.getLogger(__name__)

_TOKEN = re.compile(r"tok_[A-Za-z0-9_]{1,200}")
_FORM_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_MAX_BYTES = 65_536
_FROM_SCRIPT = "X-PaySafer-Form"


def add_checkout_routes(blueprint: Blueprint, state: AppState) -> None:
    """Add the checkout's routes and templates to the extension's blueprint."""
    views = CheckoutViews(state, Renderer(state.config))
    rule = "/checkout/<reference>"
    blueprint.add_url_rule(rule, "checkout", views.checkout, methods=["GET", "POST"])
    blueprint.add_url_rule(f"{rule}/status", "checkout_status", views.status)
    blueprint.add_url_rule("/assets/<version>/<name>", "checkout_asset", serve_asset)
    # A blueprint of its own, for templates can't be added to one that exists.
    blueprint.register_blueprint(
        Blueprint("checkout_templates", __name__, template_folder="templates")
    )


class CheckoutViews:
    """The views of the checkout; the page of a payment link is one of them for a period."""

    def __init__(self, state: AppState, renderer: Renderer) -> None:
        self._state = state
        self._account = state.config.name
        self._renderer = renderer
        self._policy = _content_policy(state.config.api_base, state.config.shop_logo)

    def checkout(self, reference: str) -> AnyResponse:
        """Show the order's page, or take what its form sends."""
        # After the request, so that a refusal has the headers too.
        after_this_request(self._guard)
        try:
            if request.method == "POST":
                _check_body()
                return self._receive(reference)
            return self._show_any(reference)
        except InboxUnavailableError:
            logger.exception("The checkout's database can't be used")
            return _retry_later()

    def _find(self, reference: str) -> tuple[Checkout, CheckoutOrder | None]:
        """Return the checkout and the order; None before the loader meets what is no reference.

        A loader's database may choke on a NUL, and take "1 " for "1": two orders for us.
        """
        checkout = self._state.checkout
        return checkout, checkout.find(reference) if is_reference(reference) else None

    def _show_any(self, reference: str) -> AnyResponse:
        checkout, order = self._find(reference)
        if order is None:
            return self._show_remembered(checkout, reference)
        return self._show(checkout, reference, order, checkout.look(reference, order))

    def _show(
        self,
        checkout: Checkout,
        reference: str,
        order: CheckoutOrder,
        record: OrderRecord | None,
        *,
        notice: Notice | str | None = None,
        status: int | None = None,
    ) -> AnyResponse:
        phase = phase_of(record, order)
        if phase in SETTLED and _is_here(order.success_url):
            return redirect(order.success_url, 303)
        page = self._renderer.page(
            reference,
            order,
            record,
            notice=notice,
            tells_less=checkout.tells_less(record),
            saved=saved_cards(checkout, order) if phase == "open" else (),
        )
        gone = 410 if phase in {"expired", "closed"} else 200
        return make_response(page, status or gone)

    def _show_remembered(self, checkout: Checkout, reference: str) -> AnyResponse:
        """Answer where the loader has no such order: who has paid it learns so all the same."""
        note = noted_order(self._account, reference)
        record = checkout.look(reference, None) if note else None
        if note is None or record is None or phase_of(record, None) == "open":
            return self._unknown()
        success_url, locale = note
        if phase_of(record, None) in SETTLED and _is_here(success_url):
            return redirect(success_url, 303)
        return make_response(self._renderer.remembered_page(reference, record, success_url, locale))

    def _unknown(self) -> AnyResponse:
        """Answer 404 in the shop's own look where it has one, else in ours."""
        handlers = current_app.error_handler_spec[None]
        if handlers.get(404) or HTTPException in handlers.get(None, {}):
            abort(404)
        return make_response(self._renderer.unknown_page(), 404)

    def _receive(self, reference: str) -> AnyResponse:
        checkout, order = self._find(reference)
        if order is None:
            return (
                self._to_page(reference)
                if noted_order(self._account, reference)
                else (self._show_remembered(checkout, reference))
            )
        if not is_genuine(request.form):
            return self._refuse(checkout, reference, order, self._session_notice(), 400)
        note_order(self._account, reference, success_url=order.success_url, locale=order.locale)
        if request.form.get("action") == "restart":
            checkout.restart(reference, order)
            return redirect(self._back_here(reference), 303)
        # A template of the merchant's own may leave the field out; it never sets the amount.
        if request.form.get("shown", shown_amount(order)) != shown_amount(order):
            return self._refuse(checkout, reference, order, "total_changed", 409)
        choice = self._choice(checkout, reference, order)
        if choice is None:
            return self._refuse(checkout, reference, order, "card_unusable", 400)
        return self._pay(checkout, reference, order, choice)

    def _pay(
        self, checkout: Checkout, reference: str, order: CheckoutOrder, choice: Choice
    ) -> AnyResponse:
        try:
            record = checkout.pay(reference, order, choice, request=request)
        except TooManyAttemptsError:
            record = checkout.stored(reference)
            minutes = math.ceil(max(checkout.wait_after_declines(record), 1) / 60)
            text = Texts(order.locale)("too_many", minutes=str(minutes))
            answer = self._refuse(checkout, reference, order, Notice(text), 429)
            answer.headers["Retry-After"] = str(minutes * 60)
            return answer
        except PaymentRefused as refusal:
            text = str(refusal) or Texts(order.locale)("declined")
            return self._refuse(checkout, reference, order, Notice(text), 403)
        except NotFreeYetError:
            return self._refuse(checkout, reference, order, "busy", 503)
        except OrderClosedError:
            return self._to_page(reference)
        return self._answer(checkout, reference, order, record)

    def _answer(
        self,
        checkout: Checkout,
        reference: str,
        order: CheckoutOrder,
        record: OrderRecord | None,
    ) -> AnyResponse:
        if not _is_from_script():
            return redirect(self._back_here(reference), 303)
        phase = phase_of(record, order)
        if phase != "open":
            url = self._next(reference, order, record)
            if url != self._back_here(reference):
                take_go(self._account, reference)  # the script itself goes on
            return jsonify(state=phase, next=url)
        texts, attempt = Texts(order.locale), record.current if record else None
        notice = notice_for(attempt, texts, tells_less=checkout.tells_less(record))
        return jsonify(state="open", notice=notice.text, field=notice.field)

    def _next(self, reference: str, order: CheckoutOrder, record: OrderRecord | None) -> str:
        attempt, phase = record.current if record else None, phase_of(record, order)
        if phase in SETTLED and _is_here(order.success_url):
            return order.success_url
        if phase == "action" and attempt is not None and attempt.next_url:
            return attempt.next_url
        return self._back_here(reference)

    def _refuse(
        self,
        checkout: Checkout,
        reference: str,
        order: CheckoutOrder,
        notice: Notice | str,
        status: int,
    ) -> AnyResponse:
        """Answer that nothing was charged, and why."""
        if _is_from_script():
            text = notice.text if isinstance(notice, Notice) else Texts(order.locale)(notice)
            answer: AnyResponse = jsonify(state="refused", notice=text, field="")
            answer.status_code = status
            return answer
        record = checkout.look(reference, order)
        return self._show(checkout, reference, order, record, notice=notice, status=status)

    def _to_page(self, reference: str) -> AnyResponse:
        url = self._renderer.checkout_url(reference)
        if _is_from_script():
            return jsonify(state="changed", next=url)
        return redirect(url, 303)

    def _session_notice(self) -> str:
        problem = session_problem()
        if problem == "no_cookie":
            logger.warning(
                "A checkout form came without the session's cookie: the browser blocks cookies, or "
                "SESSION_COOKIE_SECURE, SESSION_COOKIE_DOMAIN, SESSION_COOKIE_PATH or "
                "SESSION_COOKIE_SAMESITE keeps it from being sent to %s.",
                request.host,
            )
            return "no_cookies"
        if problem == "unreadable":
            logger.warning(
                "A checkout form came with a session that this worker can't read: it has expired, "
                "or SECRET_KEY is not the same in all workers, or has changed."
            )
        return "expired_page"

    def _choice(self, checkout: Checkout, reference: str, order: CheckoutOrder) -> Choice | None:
        method, token = request.form.get("method", ""), request.form.get("token", "")
        return_url = self._return_url(reference)
        if method.startswith("pm_"):
            known = {card.payment_method for card in saved_cards(checkout, order)}
            return Choice(payment_method=method, return_url=return_url) if method in known else None
        if not _TOKEN.fullmatch(token):
            return None
        is_kept = order.save_card == "always" or (
            order.save_card == "ask" and bool(request.form.get("save_card"))
        )
        consent = order.save_card if is_kept else None
        return Choice(payment_method=token, return_url=return_url, consent=consent)

    def _return_url(self, reference: str) -> str:
        state = self._state
        host = return_host(state.app, state.host, state.subdomain)
        scheme = state.app.config.get("PREFERRED_URL_SCHEME")
        secure = request.is_secure or scheme == "https"
        return f"{'https' if secure else 'http'}://{host}{self._back_here(reference)}"

    def _back_here(self, reference: str) -> str:
        """Return the page that the form was on: the shop's own, where it is embedded there."""
        page = request.form.get("page", "")
        if len(page) <= 2000 and page.startswith("/") and is_web_address(page):
            return page
        return (
            urlsplit(self._renderer.checkout_url(reference))._replace(scheme="", netloc="").geturl()
        )

    def status(self, reference: str) -> AnyResponse:
        """Tell the page's script in which phase the order is."""
        after_this_request(self._guard)
        try:
            checkout, order = self._find(reference)
            if order is None and noted_order(self._account, reference) is None:
                return make_response(jsonify(state="unknown", settled=False), 404)
            phase = phase_of(checkout.look(reference, order), order)
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


def _is_from_script() -> bool:
    return request.headers.get(_FROM_SCRIPT) == "1"


def _retry_later() -> AnyResponse:
    answer = make_response("The checkout is not available right now. Please try again.", 503)
    answer.headers["Retry-After"] = "5"
    return answer


def _is_here(url: str) -> bool:
    parts = urlsplit(url)
    return not parts.netloc or (parts.scheme, parts.netloc) == (request.scheme, request.host)


def _content_policy(api_base: str, logo: str | None) -> str:
    api = urlsplit(api_base)
    images = urlsplit(logo or "")
    pictures = f"img-src 'self' {images.scheme}://{images.netloc}; " if images.netloc else ""
    return (
        f"default-src 'self'; {pictures}connect-src 'self' {api.scheme}://{api.netloc}; "
        "form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
    )
