"""One local PaySafer: its Flask app, in process or served over loopback HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
from flask import Blueprint, Flask, Request, Response, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException

from ..money import Money
from ..profile import ApiProfile
from .control import Control, control_routes, host_name
from .dashboard import add_dashboard_routes
from .description import describe
from .dialect import Dialect
from .engine import Engine
from .errors import ApiError
from .idempotency import Reading
from .payments import CHALLENGE_PATH
from .pipeline import MAX_BODY_BYTES, Pipeline, preflight_headers
from .resources import Account
from .routes import ROUTES, Route
from .scenarios import authenticate
from .sender import Sender, SignWith, is_loopback
from .server import SandboxServer
from .store import Row

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_IN_PROCESS = "paysafer.sandbox.in_process"
"""In the WSGI environment of requests that our own transports carry: any host will do."""


class Sandbox(Control):
    """A PaySafer of your own. Two of them know nothing of each other.

    The same state is reached through ``wsgi_app``, ``transport()`` and, while
    it is served, over HTTP. Close it when done, or use it as a context manager.

    :param db: A file to keep everything in; without one it lives in memory.
    :param start: What the virtual clock shows at first (unix seconds): the real
        time, or where the clock of ``db`` stopped.
    :param clock_rate: Virtual seconds per real second; 0 stands still.
    :param strict: Refuse the routes that PaySafer doesn't document.
    :param idempotency: ``"replay"``, or ``"strict"``: any reuse of a key is 409.
    :param allow_hosts: Host names to answer under besides loopback ones, such as a container's.
        Without this, a page whose name was rebound to 127.0.0.1 could use the API.
    :param allow_remote_webhooks: Deliver to other machines too.
    :param sign_with: The time that signatures carry: ``"virtual"``, ``"wall"``
        (the real one), or ``"auto"``, virtual unless a shop on a real clock
        refuses that.
    :param signature_scheme: As ``PAYSAFER_SIGNATURE_SCHEME`` of the shop; by default the
        profile's.
    :param profile: Play another PaySafer, one whose API looks like this: a profile, a mapping,
        or the path of a TOML file. The control API and the dashboard keep the usual words.
    :param sender: Sends the deliveries instead of HTTP: gets a ``WebhookRequest`` and
        returns a ``WebhookResponse``; what it raises is a failed attempt.
    :raises ConfigurationError: if ``db`` can't be used.
    """

    def __init__(
        self,
        *,
        db: str | Path | None = None,
        start: float | None = None,
        clock_rate: float | None = None,
        strict: bool = False,
        idempotency: Reading = "replay",
        allow_hosts: Iterable[str] = (),
        allow_remote_webhooks: bool = False,
        sign_with: SignWith = "auto",
        signature_scheme: str | None = None,
        profile: ApiProfile | Mapping[str, Any] | str | PathLike[str] | None = None,
        sender: Sender | None = None,
    ) -> None:
        engine = Engine(
            db=db,
            start=start,
            clock_rate=clock_rate,
            strict=strict,
            idempotency=idempotency,
            allow_remote_webhooks=allow_remote_webhooks,
            sign_with=sign_with,
            signature_scheme=signature_scheme,
            sender=sender,
        )
        super().__init__(engine)
        self.allowed_hosts = {name.lower() for name in allow_hosts}
        """Host names that are answered besides loopback ones."""
        self._app = create_app(self)
        self._usual_app = self._app.wsgi_app
        self.profile = ApiProfile()
        """The profile in use; :meth:`play` changes it."""
        if profile is not None:
            self.play(ApiProfile.of(profile))

    def play(self, profile: ApiProfile) -> None:
        """Play another PaySafer from now on, one whose API looks like this."""
        self.profile = profile
        self.engine.play(profile)
        app: Any = self._usual_app
        if profile != ApiProfile():
            app = Dialect(app, profile, self.engine.clock.now)
        self._app.wsgi_app = app  # type: ignore[method-assign]  # Flask's own way

    @property
    def url(self) -> str | None:
        """Where it is served, while it is."""
        return self.engine.public_url

    @property
    def wsgi_app(self) -> WSGIApplication:
        """The sandbox as a WSGI application."""
        return self._app

    def transport(self) -> httpx.BaseTransport:
        """Return an httpx transport that reaches the sandbox without a network."""
        return httpx.WSGITransport(app=_in_process(self._app))

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """Return the same for ``httpx.AsyncClient`` and ``AsyncPaySaferClient``."""
        return _AsyncTransport(self._app)

    @contextmanager
    def serve(self, port: int = 0, host: str = "127.0.0.1") -> Iterator[Sandbox]:
        """Serve it over HTTP for the length of a ``with`` block; ``.url`` tells where."""
        server = SandboxServer(host, port, self._app)
        self.engine.public_url = server.url
        self.allowed_hosts.add(host_name(server.url.partition("//")[2]))
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="sandbox", daemon=True
        )
        thread.start()
        try:
            yield self
        finally:
            self.engine.public_url = None
            server.stop()
            thread.join()
            self.engine.store.save_notes()

    def close(self) -> None:
        """End its threads and close its file."""
        self.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _AsyncTransport(httpx.AsyncBaseTransport):
    """Reaches the sandbox in process; each request runs in a thread of its own."""

    def __init__(self, app: WSGIApplication) -> None:
        self._transport = httpx.WSGITransport(app=_in_process(app))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request out."""
        await request.aread()
        return await asyncio.to_thread(self._exchange, request)

    def _exchange(self, request: httpx.Request) -> httpx.Response:
        plain = httpx.Request(
            request.method, request.url, headers=request.headers, content=request.content
        )
        answer = self._transport.handle_request(plain)
        content = answer.read()
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def _in_process(app: WSGIApplication) -> WSGIApplication:
    def call(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return app({**environ, _IN_PROCESS: True}, start_response)

    return call


def create_app(sandbox: Sandbox) -> Flask:
    """Return the Flask app of one sandbox: API, control API, bank page and dashboard."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's default provider has it
    # A redirect would turn a POST that a client repeats into a surprise.
    app.url_map.merge_slashes = False
    pipeline = Pipeline(sandbox.engine)
    for route in ROUTES:
        _add_api_route(app, pipeline, route)
    app.register_blueprint(control_routes(sandbox))
    app.register_blueprint(challenge_pages(sandbox.engine))
    add_dashboard_routes(app, sandbox)
    app.add_url_rule("/openapi.json", "description", lambda: describe())
    app.register_error_handler(HTTPException, lambda error: _refuse(pipeline, error))
    app.before_request(lambda: _require_known_host(sandbox, pipeline))
    return app


def _require_known_host(sandbox: Sandbox, pipeline: Pipeline) -> Response | None:
    """Answer 403 where the browser of another site's page may be asking: see ``allow_hosts``."""
    name = host_name(request.host)
    if _IN_PROCESS in request.environ or is_loopback(name) or name in sandbox.allowed_hosts:
        return None
    error = ApiError(
        "host_not_allowed",
        f"The sandbox does not answer as {name[:100]}. Use localhost, or start it with "
        "--allow-host and that name.",
    )
    return pipeline.refuse(_this_request(), error)


def _add_api_route(app: Flask, pipeline: Pipeline, route: Route) -> None:
    def view(**ids: str) -> ResponseReturnValue:
        return pipeline.answer(_this_request(), route, ids)

    app.add_url_rule(
        route.path,
        route.name,
        view,
        methods=[route.method],
        provide_automatic_options=False,
    )
    if route.takes_publishable_key:
        app.add_url_rule(
            route.path,
            f"{route.name}Preflight",
            _preflight,
            methods=["OPTIONS"],
            provide_automatic_options=False,
        )


def _preflight(**_: Any) -> ResponseReturnValue:
    return Response(status=204, headers={**preflight_headers(), "PaySafer-Sandbox": "assumed"})


def _refuse(pipeline: Pipeline, error: HTTPException) -> ResponseReturnValue:
    if not request.path.startswith("/v1"):
        return error
    answer = pipeline.refuse(_this_request(), _as_api_error(error))
    if error.code == 405:
        answer.headers.extend(error.get_headers(request.environ)[1:])
    return answer


def _as_api_error(error: HTTPException) -> ApiError:
    if error.code == 405:
        return ApiError("method_not_allowed", f"{request.method} isn't possible for this URL.")
    if error.code is not None and error.code >= 500:
        return ApiError("internal_error", "The sandbox itself has failed.")
    return ApiError(
        "url_unknown", f"Unrecognized request URL: {request.method} {request.path[:200]}"
    )


def _this_request() -> Request:
    """Return the request itself: its stand-in looks it up anew at every use."""
    this: Request = request._get_current_object()  # type: ignore[attr-defined]  # the stand-in has it
    return this


_ANSWERS = {"pass": True, "refuse": False}
_BANK_TEXTS = {
    "en": {
        "direction": "ltr",
        "title": "Approve this payment?",
        "explanation": "This page plays your bank. A shop asks for a payment with your card:",
        "approve": "Approve",
        "decline": "Decline",
        "over": "There is nothing left to do here for this payment.",
        "back": "Back to the shop",
    },
    "ar": {
        "direction": "rtl",
        "title": "هل توافق على هذه الدفعة؟",
        "explanation": "تقوم هذه الصفحة بدور مصرفك. يطلب متجر دفعة من بطاقتك:",
        "approve": "موافقة",
        "decline": "رفض",
        "over": "لم يبقَ ما تفعله هنا لهذه الدفعة.",
        "back": "العودة إلى المتجر",
    },
}


def challenge_pages(engine: Engine) -> Blueprint:
    """Return the page's routes. Its address can't be guessed, so it asks for no key."""
    pages = Blueprint("challenge", __name__)

    @pages.get(f"{CHALLENGE_PATH}<challenge>")
    def show(challenge: str) -> ResponseReturnValue:
        with engine.store.changed:
            _, payment = _find(engine, challenge)
        return _page(payment, challenge)

    @pages.post(f"{CHALLENGE_PATH}<challenge>")
    def answer(challenge: str) -> ResponseReturnValue:
        passed = _ANSWERS.get(request.form.get("result", ""))
        if passed is None:
            abort(400, "result must be pass or refuse.")
        with engine.store.transaction():
            account, payment = _find(engine, challenge)
            if _waits(payment, challenge):
                payment = authenticate(engine, account, payment, passed=passed)
        if payment["_return_url"]:
            return redirect(payment["_return_url"], 303)
        return _page(payment, challenge)

    return pages


def _find(engine: Engine, challenge: str) -> tuple[Account, Row]:
    for tenant, row in engine.store.rows("challenge"):
        if row["id"] == challenge:
            account = engine.account(tenant)
            return account, account.find("payment", row["payment"])
    return abort(404, "There is no such page: the payment is unknown, or the sandbox was emptied.")


def _waits(payment: Row, challenge: str) -> bool:
    """Tell whether the payment waits for this very challenge, not for a later one."""
    waiting = payment.get("next_action")
    return bool(waiting and waiting["redirect_to_url"]["url"].endswith(CHALLENGE_PATH + challenge))


def _page(payment: Row, challenge: str) -> str:
    language = request.accept_languages.best_match(list(_BANK_TEXTS), "en") or "en"
    return render_template(
        "challenge.html",
        language=language,
        text=_BANK_TEXTS[language],
        payment=payment,
        amount=Money(payment["amount"], payment["currency"]),
        waiting=_waits(payment, challenge),
        return_url=payment["_return_url"],
    )
