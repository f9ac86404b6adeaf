"""Put the shop together: the app, its database, PaySafer and the pages."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from flask import Flask, Response
from flask_wtf.csrf import CSRFProtect

from . import fulfilment, staff, storefront, texts
from .models import db, open_shop
from .payments import paysafer

__all__ = ["Shop", "create_app"]


class Extension(Protocol):
    """Anything that joins an app by ``init_app``."""

    def init_app(self, app: Flask) -> None:
        """Join ``app``."""


class Shop(Flask):
    """A Flask app that extensions are registered on, like blueprints."""

    def register_extension(self, extension: Extension) -> None:
        """Let ``extension`` join this app."""
        extension.init_app(self)


def create_app(settings: Mapping[str, Any] | None = None, instance_path: str | None = None) -> Shop:
    """Return the shop, with PaySafer's settings from ``settings`` or the environment.

    :param instance_path: The folder of its books; by default ``instance`` beside the code.
    """
    app = Shop(__name__, instance_path=instance_path)
    Path(app.instance_path).mkdir(parents=True, exist_ok=True)
    app.config.from_mapping(
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{app.instance_path}/shop.db",
        SESSION_COOKIE_SAMESITE="Lax",
        PAYSAFER_SHOP_NAME="Dallah Roasters",
        STAFF_PASSCODE=secrets.token_hex(4),
    )
    app.config.from_prefixed_env()
    app.config.from_mapping(settings or {})
    if not app.config["SECRET_KEY"]:
        app.config["SECRET_KEY"] = _kept_secret_key(Path(app.instance_path) / "secret_key")

    db.init_app(app)
    CSRFProtect(app)
    app.register_extension(paysafer)
    app.register_blueprint(storefront.pages)
    app.register_blueprint(staff.pages)
    texts.init_app(app)
    app.register_error_handler(404, storefront.not_found)
    app.after_request(_only_our_own_content)
    fulfilment.register(app)
    with app.app_context():
        open_shop()
    return app


def _kept_secret_key(path: Path) -> str:
    """Return the session key in ``path``, made at the first start."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    return path.read_text()


def _only_our_own_content(response: Response) -> Response:
    """Let a page load only what this shop serves, and send cards only to PaySafer."""
    api = urlsplit(paysafer.config.api_base)
    response.headers.setdefault(
        "Content-Security-Policy",
        f"default-src 'self'; connect-src 'self' {api.scheme}://{api.netloc}",
    )
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    return response
