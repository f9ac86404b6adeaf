"""Play another PaySafer: the API as a profile says, around the one that the sandbox has.

Requests are put into our words before the routes see them, and answers into the profile's
afterwards, so the rest of the sandbox knows one API only. The dashboard and the control
API, which are the sandbox's own, pass through as they are.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

from werkzeug.test import run_wsgi_app
from werkzeug.wrappers import Request, Response

from ..profile import ApiProfile
from ..translation import payment_in_their_words, put

WSGIApplication = Callable[..., Iterable[bytes]]

_USUAL = ApiProfile()
_API = "/v1"
_COLLECTIONS = ("webhook_endpoints", "customers", "tokens", "payments")
_PARAMETERS = ("limit", "after", "before", "created_after")
_FLAGS = ("save_payment_method", "off_session")


class Dialect:
    """A WSGI application that speaks as ``profile`` says.

    :param app: The sandbox's own.
    :param now: Returns the sandbox's time in unix seconds.
    """

    def __init__(self, app: WSGIApplication, profile: ApiProfile, now: Callable[[], float]) -> None:
        self._app = app
        self._profile = profile
        self._now = now

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Answer one request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(f"{_API}/"):
            return self._app(environ, start)
        asked = Request(environ)
        environ = dict(environ)
        environ["PATH_INFO"] = _API + self._usual_path(path.removeprefix(_API))
        self._rename_headers(environ)
        self._rename_query(environ)
        self._rename_body(environ)
        body, status, headers = run_wsgi_app(self._app, environ, buffered=True)
        answer = Response(b"".join(body), status=status, headers=headers)
        self._translate(answer, asked)
        return answer(environ, start)

    def _usual_path(self, path: str) -> str:
        before, _, after = self._profile.paths.confirm.partition("{id}")
        if path.startswith(before) and path.endswith(after):
            payment_id = path[len(before) : len(path) - len(after)]
            if payment_id and "/" not in payment_id:
                return _USUAL.payment_path(payment_id, "confirm")
        for name in _COLLECTIONS:
            theirs, usual = getattr(self._profile.paths, name), getattr(_USUAL.paths, name)
            if path == theirs or path.startswith(f"{theirs}/"):
                is_moved = self._profile.paths.confirm != _USUAL.paths.confirm
                if is_moved and name == "payments" and path.endswith("/confirm"):
                    return "/nowhere"
                return str(usual) + path[len(theirs) :]
        return "/nowhere"

    def _rename_headers(self, environ: dict[str, Any]) -> None:
        for name in ("idempotency_key", "version"):
            theirs = _variable(getattr(self._profile.headers, name))
            usual = _variable(getattr(_USUAL.headers, name))
            if theirs != usual:
                environ.pop(usual, None)
                if theirs in environ:
                    environ[usual] = environ.pop(theirs)

    def _rename_query(self, environ: dict[str, Any]) -> None:
        names = {
            getattr(self._profile.lists, name): getattr(_USUAL.lists, name) for name in _PARAMETERS
        }
        dropped = set(names.values()) - set(names)
        pairs = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        kept = [(names.get(name, name), value) for name, value in pairs if name not in dropped]
        if kept != pairs:
            environ["QUERY_STRING"] = urlencode(kept)

    def _rename_body(self, environ: dict[str, Any]) -> None:
        names = {name: getattr(self._profile.fields, name) for name in _FLAGS}
        moved = {usual: theirs for usual, theirs in names.items() if usual != theirs}
        if not moved or environ.get("REQUEST_METHOD") != "POST":
            return
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        fields = _read(body)
        if isinstance(fields, dict):
            for usual, theirs in moved.items():
                fields.pop(usual, None)  # a parameter that this account does not know
                if theirs and theirs in fields:
                    fields[usual] = fields.pop(theirs)
            body = json.dumps(fields).encode()
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))

    def _translate(self, answer: Response, asked: Request) -> None:
        self._rename_answer_headers(answer)
        found = _read(answer.get_data())
        if not isinstance(found, dict):
            return
        if found.get("object") == "list":
            theirs: Any = self._listed(found, asked)
        else:
            theirs = self._object(found)
        answer.set_data(json.dumps(theirs))

    def _rename_answer_headers(self, answer: Response) -> None:
        names = self._profile.headers
        for usual, theirs in (
            (_USUAL.headers.request_id[0], names.request_id[0]),
            (_USUAL.headers.replayed, names.replayed),
        ):
            value = answer.headers.pop(usual, None)
            if value is not None and theirs:
                answer.headers[theirs] = value
        allowed = answer.headers.get("Access-Control-Allow-Headers")
        if allowed and names.idempotency_key not in allowed:
            answer.headers["Access-Control-Allow-Headers"] = f"{allowed}, {names.idempotency_key}"
        reset = answer.headers.get("X-RateLimit-Reset", "")
        if self._profile.rate_limits.reset == "seconds" and reset.isdigit():
            answer.headers["X-RateLimit-Reset"] = str(max(0, int(reset) - int(self._now())))

    def _listed(self, page: dict[str, Any], asked: Request) -> Any:
        lists = self._profile.lists
        items = [self._object(item) for item in page["data"]]
        if not lists.items:
            return items
        theirs: dict[str, Any] = {"object": "list"}
        put(theirs, lists.items, items)
        if lists.has_more:
            put(theirs, lists.has_more, page["has_more"])
        if lists.next:
            cursor = items[-1]["id"] if page["has_more"] and items else None
            if cursor and lists.next.endswith(("url", "href")):  # then it is an address
                query = urlencode({**asked.args.to_dict(), lists.after: cursor})
                cursor = f"{asked.base_url}?{query}"
            put(theirs, lists.next, cursor)
        return theirs

    def _object(self, found: dict[str, Any]) -> dict[str, Any]:
        if found.get("object") == "payment":
            return payment_in_their_words(self._profile, found)
        error = found.get("error")
        if isinstance(error, dict) and isinstance(error.get("payment"), dict):
            return {"error": {**error, "payment": self._object(error["payment"])}}
        return found


def _variable(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
