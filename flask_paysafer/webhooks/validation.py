"""Check a webhook request before its signature: method, origin, type, encoding, size.

These checks are cheap and come first, so that an oversized or misdirected request costs
less than a genuine one. They end with the body's bytes in memory, never more than the
limit and one. Also here: the answers that the webhook route can give.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from flask import Request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from ..config import Config

logger = logging.getLogger(__name__)

RETRY_AFTER = "60"
"""What ``Retry-After`` asks for: PaySafer's own first retry comes after a minute."""

INVALID_SIGNATURE = "Invalid signature"
"""The one body for all that is not authentic: it tells an attacker nothing."""


class Answer(NamedTuple):
    """An HTTP answer: JSON where the body is a mapping, else plain text."""

    status: int
    body: Mapping[str, object] | str
    headers: Mapping[str, str] = {}


class Rejection(NamedTuple):
    """An answer that refuses a delivery."""

    answer: Answer
    reason: str
    """The cause; goes to the log and to ``webhook_rejected``."""
    hint: str = ""
    """Where the merchant should look; goes to the log."""


def received(**more: object) -> Answer:
    """Return the answer that ends PaySafer's retries."""
    return Answer(200, {"received": True, **more})


def retry_later(status: int, error: str) -> Answer:
    """Return an answer that asks for this delivery once more, later."""
    return Answer(status, {"error": error}, {"Retry-After": RETRY_AFTER})


_READ_BEFORE = (
    "PaySafer delivers the event again. If that ends the same way, a middleware reads the "
    "request's stream before this extension does; let it leave the webhook's requests alone."
)
_NOT_TERMINATED = (
    "Use a server that sets wsgi.input_terminated, such as gunicorn or waitress, or a proxy that "
    "buffers requests."
)


class RequestValidator:
    """The checks for one extension in one app."""

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

    def validate(self, request: Request) -> Rejection | None:
        """Return the reason to reject the request, or None.

        After None, ``request.get_data()`` returns the whole body to every caller.
        """
        for check in self._checks:
            rejection = check(request)
            if rejection is not None:
                return rejection
        return None

    def _check_method(self, request: Request) -> Rejection | None:
        if request.method == "POST":
            return None
        answer = Answer(405, "Method not allowed", {"Allow": "POST"})
        return Rejection(answer, "the method is not POST", "Deliveries are POST requests.")

    def _check_secret(self, request: Request) -> Rejection | None:
        if self._config.webhook_secrets:
            return None
        setting = self._config.setting("WEBHOOK_SECRET")
        return Rejection(
            retry_later(503, "Webhooks are not set up"),
            "no webhook secret is set",
            f"Set {setting} to the endpoint's signing secret (whsec_…).",
        )

    def _check_network(self, request: Request) -> Rejection | None:
        if is_allowed(request.remote_addr, self._config.webhook_allowed_networks):
            return None
        setting = self._config.setting("WEBHOOK_ALLOWED_NETWORKS")
        return Rejection(
            Answer(403, "Forbidden"),
            f"it comes from {request.remote_addr!r:.60}, which is in no allowed network",
            f"Check {setting}. Behind a proxy the address is the proxy's, unless the app uses "
            "Werkzeug's ProxyFix.",
        )

    def _check_type(self, request: Request) -> Rejection | None:
        kind = request.mimetype
        if kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/"):
            answer = Answer(415, "Unsupported media type")
            return Rejection(answer, "the body is a form", "Deliveries are application/json.")
        return None

    def _check_encoding(self, request: Request) -> Rejection | None:
        if not request.headers.get("Content-Encoding"):
            return None
        return Rejection(
            Answer(415, "Unsupported content encoding", {"Accept-Encoding": "identity"}),
            "the body is compressed",
            "Deliveries are signed as they are sent; see whether a proxy compresses requests.",
        )

    def _check_body(self, request: Request) -> Rejection | None:
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

    def _too_large(self) -> Rejection:
        return Rejection(
            Answer(413, "Payload too large"),
            f"the body is larger than {self._config.webhook_max_bytes} bytes",
            f"{self._config.setting('WEBHOOK_MAX_BYTES')} sets the limit.",
        )


def _announced_length(request: Request) -> int:
    """Return ``Content-Length`` as it came: Werkzeug hides it where the body is chunked too."""
    announced = request.environ.get("CONTENT_LENGTH", "")[:20]
    return int(announced) if announced.isascii() and announced.isdecimal() else 0


def _check_whole(request: Request, body: bytes) -> Rejection | None:
    length = request.content_length
    if length is not None and len(body) != length:
        return _incomplete(f"{len(body)} of the body's {length} bytes arrived", _READ_BEFORE)
    is_chunked = "Transfer-Encoding" in request.headers
    if not body and is_chunked and "wsgi.input_terminated" not in request.environ:
        return _incomplete("the server hands on no chunked bodies", _NOT_TERMINATED)
    return None


def _incomplete(reason: str, hint: str) -> Rejection:
    return Rejection(Answer(400, INVALID_SIGNATURE), reason, hint)


def is_allowed(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether ``address`` lies in one of ``networks``; with none set, any does.

    What is no IP address (a Unix socket's peer has none) lies in no network. An IPv4
    address written as IPv6 (``::ffff:203.0.113.5``) counts as what it is.
    """
    if not networks:
        return True
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
