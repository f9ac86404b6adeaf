"""Signed links on which a customer pays a period with any card, without a login.

A link names a subscription and a period. It is good for 30 days, and for as long as that
period can be paid; the page decides the latter.
"""

from __future__ import annotations

from typing import NamedTuple

from flask import Flask, current_app, has_request_context, url_for
from itsdangerous import BadSignature, SignatureExpired, URLSafeTimedSerializer

from ..config import Config
from ..errors import ConfigurationError

LIFE = 30 * 86_400
"""Seconds for which a link is good."""


class LinkTarget(NamedTuple):
    """What a link is for."""

    reference: str
    number: int


class PaymentLinks:
    """Makes and reads the links of one extension in one app."""

    def __init__(self, app: Flask, config: Config) -> None:
        self._app = app
        self._config = config

    def url(self, reference: str, number: int) -> str:
        """Return the absolute address on which the period can be paid.

        :raises ConfigurationError: outside of a request without ``SERVER_NAME``.
        """
        token = self._serializer.dumps([reference, number])
        endpoint = f"{self._config.name}.pay"
        if has_request_context() and current_app._get_current_object() is self._app:  # type: ignore[attr-defined]
            return url_for(endpoint, token=token, _external=True)
        if not self._app.config.get("SERVER_NAME"):
            raise ConfigurationError(
                "A payment link needs the shop's address, and there is no request to take it "
                "from. Set SERVER_NAME, and PREFERRED_URL_SCHEME to https."
            )
        with self._app.app_context():
            return url_for(endpoint, token=token, _external=True)

    def read(self, token: str) -> LinkTarget | None:
        """Return what the link is for; None for one that is altered or expired."""
        try:
            reference, number = self._serializer.loads(token, max_age=LIFE)
        except (BadSignature, SignatureExpired, ValueError, TypeError):
            return None
        return LinkTarget(reference, number)

    @property
    def _serializer(self) -> URLSafeTimedSerializer:
        if not self._app.secret_key:
            raise ConfigurationError(
                "Payment links are signed with the app's SECRET_KEY. Set it to a long random "
                "value that all workers share."
            )
        salt = f"flask-paysafer pay {self._config.name}"
        fallbacks = self._app.config.get("SECRET_KEY_FALLBACKS") or []
        return URLSafeTimedSerializer([*fallbacks, self._app.secret_key], salt=salt)
