"""Shops to examine: a good one, and ones with the faults that an exam is to find."""

from __future__ import annotations

import contextlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from flask import Flask, request
from flask.typing import ResponseReturnValue
from flask_wtf import CSRFProtect
from werkzeug.serving import make_server
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import get_input_stream

from flask_paysafer import PaySafer, Webhook, errors
from tests.webhooks.door_app import SECRET

Spoil = Callable[[Flask], None]


def make_shop(folder: Path, spoil: Spoil | None = None, **settings: Any) -> Flask:
    """Return a shop with a handler that passes over exams, spoilt by ``spoil`` before or after."""
    app = Flask("shop", instance_path=str(folder))
    app.secret_key = "not-secret-in-a-test"
    given = {"SECRET_KEY": "sk_test_exam12345", "WEBHOOK_SECRET": SECRET, **settings}
    app.config.from_mapping({f"PAYSAFER_{name}": value for name, value in given.items()})
    paysafer = PaySafer()
    if spoil is not None:
        spoil(app)
    if "no route" not in app.extensions:
        paysafer.init_app(app)

    @paysafer.on("payment.created")
    def note_payment(event: Any) -> None:
        app.extensions.setdefault("handled", []).append(event.id)
        if "paysafer_exam" in event.data.metadata and "raise for exams" in app.extensions:
            raise LookupError("no such order")

    return app


@contextlib.contextmanager
def served(app: Flask) -> Iterator[str]:
    """Serve ``app`` on a free port; give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()


def no_route(app: Flask) -> None:
    app.extensions["no route"] = True


def handler_raises(app: Flask) -> None:
    app.extensions["raise for exams"] = True


def slow_handler(app: Flask) -> None:
    """Its requests wait until ``app.extensions["released"]`` is set."""
    released = app.extensions["released"] = threading.Event()

    @app.before_request
    def wait() -> None:
        released.wait(30)


def flask_wtf(app: Flask) -> None:
    CSRFProtect(app)


def stand_before(app: Flask, answer: Callable[[Request], Response]) -> None:
    """Answer every request in place of ``app``, as a middleware or a proxy does."""

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        request = Request(environ)
        request.get_data()
        return answer(request)(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]


def home_grown_csrf(app: Flask) -> None:
    stand_before(app, lambda request: Response("CSRF token missing", 400))


def login_required(app: Flask) -> None:
    stand_before(app, lambda request: redirect("/login?next=" + request.path))


def to_https(app: Flask) -> None:
    stand_before(app, lambda request: redirect(request.url.replace("http://", "https://"), 301))


def rewrites_bodies(app: Flask) -> None:
    """As a middleware that logs or cleans JSON does."""
    inner = app.wsgi_app

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        body = get_input_stream(environ).read()
        with contextlib.suppress(ValueError):
            body = json.dumps(json.loads(body), separators=(",", ":"), sort_keys=True).encode()
        environ.update({"wsgi.input": io.BytesIO(body)})
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(len(body))
        return inner(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]


def drops_signatures(app: Flask) -> None:
    """As a proxy does that passes on the headers it knows."""
    inner = app.wsgi_app

    def middleware(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        environ.pop("HTTP_PAYSAFER_SIGNATURE", None)
        return inner(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]


def limits_bodies(app: Flask) -> None:
    stand_before(app, lambda request: Response("Request Entity Too Large", 413))


def limits_rates(app: Flask) -> None:
    stand_before(app, lambda request: Response("Too Many Requests", 429))


def knows_one_signature(app: Flask) -> None:
    """A view of the merchant's own that verifies, but expects one ``v1``."""
    no_route(app)

    @app.post("/paysafer/webhook")
    def webhook() -> ResponseReturnValue:
        signature = request.headers.get("PaySafer-Signature", "")
        try:
            if signature.count("v1=") > 1:
                raise errors.SignatureVerificationError("two of them")
            Webhook.verify(request.get_data(), signature, SECRET)
        except errors.PaySaferError:
            return "Invalid signature", 400
        return {"received": True}


def believes_everything(app: Flask) -> None:
    """A view of the merchant's own that verifies nothing."""
    no_route(app)

    @app.post("/paysafer/webhook")
    def webhook() -> ResponseReturnValue:
        return {"received": True}


def crashes_on_json(app: Flask) -> None:
    """A view of the merchant's own that reads before it verifies."""
    no_route(app)

    @app.post("/paysafer/webhook")
    def webhook() -> ResponseReturnValue:
        if json.loads(request.data)["type"] and request.headers["PaySafer-Signature"]:
            raise RuntimeError
        return {}
