"""What a request must be before its signature is worth checking.

These checks are cheap and come first, so that an oversized or misdirected
request costs less than a genuine one. They end with the body's bytes in memory,
never more than the limit and one.
"""

from __future__ import annotations

import logging

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from ..config import Config
from .answers import INVALID_SIGNATURE, Answer, Refusal, come_again
from .networks import is_allowed

logger = logging.getLogger(__name__)


_READ_BEFORE = (
    "PaySafer delivers the event again. If that ends the same way, a middleware reads the "
    "request's stream before this extension does; let it leave the webhook's requests alone."
)
_NOT_TERMINATED = (
    "Use a server that sets wsgi.input_terminated, such as gunicorn or waitress, or a proxy that "
    "buffers requests."
)


class Admission:
    """The checks of one extension in one app."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._checks = (
            self._check_method,
            self._check_secret,
            self._check_network,
            self._check_type,
            self._check_encoding,
            self._check_body,
        )

    def judge(self, request: Request) -> Refusal | None:
        """Return why the request is not taken, or None.

        After None the whole body is in ``request.get_data()``, for everybody.
        """
        for check in self._checks:
            refusal = check(request)
            if refusal is not None:
                return refusal
        return None

    def _check_method(self, request: Request) -> Refusal | None:
        if request.method == "POST":
            return None
        answer = Answer(405, "Method not allowed", {"Allow": "POST"})
        return Refusal(answer, "the method is not POST", "Deliveries are POST requests.")

    def _check_secret(self, request: Request) -> Refusal | None:
        if self._config.webhook_secrets:
            return None
        setting = self._config.setting("WEBHOOK_SECRET")
        return Refusal(
            come_again(503, "Webhooks are not set up"),
            "no webhook secret is set",
            f"Set {setting} to the endpoint's signing secret (whsec_…).",
        )

    def _check_network(self, request: Request) -> Refusal | None:
        if is_allowed(request.remote_addr, self._config.webhook_allowed_networks):
            return None
        setting = self._config.setting("WEBHOOK_ALLOWED_NETWORKS")
        return Refusal(
            Answer(403, "Forbidden"),
            f"it comes from {request.remote_addr!r:.60}, which is in no allowed network",
            f"Check {setting}. Behind a proxy the address is the proxy's, unless the app uses "
            "Werkzeug's ProxyFix.",
        )

    def _check_type(self, request: Request) -> Refusal | None:
        kind = request.mimetype
        if kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/"):
            answer = Answer(415, "Unsupported media type")
            return Refusal(answer, "the body is a form", "Deliveries are application/json.")
        return None

    def _check_encoding(self, request: Request) -> Refusal | None:
        if not request.headers.get("Content-Encoding"):
            return None
        return Refusal(
            Answer(415, "Unsupported content encoding", {"Accept-Encoding": "identity"}),
            "the body is compressed",
            "Deliveries are signed as they are sent; see whether a proxy compresses requests.",
        )

    def _check_body(self, request: Request) -> Refusal | None:
        limit = self._config.webhook_max_bytes
        if _announced_length(request) > limit:
            return self._too_large()
        # One byte more than the limit: a chunked body names no length, and Werkzeug ends it
        # at the maximum without a word. The app's own MAX_CONTENT_LENGTH is for its forms.
        request.max_content_length = limit + 1
        try:
            body = request.get_data()
        except RequestEntityTooLarge:
            return self._too_large()
        except ClientDisconnected:
            return _incomplete("the body ended before its announced length", _READ_BEFORE)
        except Exception as error:
            logger.debug("Reading a delivery's body failed.", exc_info=True)
            reason = f"the server could not read the body ({type(error).__name__})"
            return _incomplete(reason, "PaySafer delivers the event again.")
        if len(body) > limit:
            return self._too_large()
        return _check_whole(request, body)

    def _too_large(self) -> Refusal:
        return Refusal(
            Answer(413, "Payload too large"),
            f"the body is larger than {self._config.webhook_max_bytes} bytes",
            f"{self._config.setting('WEBHOOK_MAX_BYTES')} sets the limit.",
        )


def _announced_length(request: Request) -> int:
    """Return ``Content-Length`` as it came: Werkzeug hides it where the body is chunked too."""
    announced = request.environ.get("CONTENT_LENGTH", "")[:20]
    return int(announced) if announced.isascii() and announced.isdecimal() else 0


def _check_whole(request: Request, body: bytes) -> Refusal | None:
    length = request.content_length
    if length is not None and len(body) != length:
        return _incomplete(f"{len(body)} of the body's {length} bytes arrived", _READ_BEFORE)
    is_chunked = "Transfer-Encoding" in request.headers
    if not body and is_chunked and "wsgi.input_terminated" not in request.environ:
        return _incomplete("the server hands on no chunked bodies", _NOT_TERMINATED)
    return None


def _incomplete(reason: str, cure: str) -> Refusal:
    return Refusal(Answer(400, INVALID_SIGNATURE), reason, cure)
