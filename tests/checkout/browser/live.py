"""A shop that is served over HTTP, and remembers what browsers sent it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from werkzeug.serving import WSGIRequestHandler, make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Recorder:
    """WSGI middleware: keeps everything that a request consists of."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self.requests: list[tuple[str, str, str, str]] = []
        """Method, path with query, headers, body."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        headers = "\n".join(f"{k}: {v}" for k, v in environ.items() if k.startswith("HTTP_"))
        path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
        self.requests.append((environ["REQUEST_METHOD"], path, headers, body.decode()))
        return self._app(environ, start_response)

    def posts(self) -> list[dict[str, str]]:
        """Return the fields of every form that was sent."""
        return [
            dict(parse_qsl(body, keep_blank_values=True))
            for method, _, _, body in self.requests
            if method == "POST"
        ]

    def text(self) -> str:
        """Return everything as one text, as it is and decoded."""
        sent = "\n".join("\n".join(request) for request in self.requests)
        return sent + unquote_plus(sent)


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        """Say nothing."""


@contextmanager
def served(app: WSGIApplication) -> Iterator[str]:
    """Serve ``app`` on a free port of this machine, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
