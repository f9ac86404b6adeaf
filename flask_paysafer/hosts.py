"""At which host the app is: for links that leave it, and for requests that are made up here.

``TRUSTED_HOSTS``, ``SERVER_NAME`` and ``PaySafer(host=…)`` say it. What a request's ``Host``
says is believed where nothing is configured, and never against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, has_request_context, request
from flask.ctx import RequestContext


def configured_host(
    app: Flask, host: str | None = None, subdomain: str | None = None
) -> str | None:
    """Return the host that the app's settings name, with its port; None where none do.

    :param host: The extension's own, under ``host_matching``.
    :param subdomain: The extension's own, below ``SERVER_NAME``.
    """
    if host is not None:
        return host
    server_name: str | None = app.config.get("SERVER_NAME")
    if server_name:
        return f"{subdomain}.{server_name}" if subdomain else server_name
    return _first_literal(app.config.get("TRUSTED_HOSTS"))


def return_host(app: Flask, host: str | None = None, subdomain: str | None = None) -> str:
    """Return the host to which a customer comes back from elsewhere, in a request."""
    configured = configured_host(app, host, subdomain)
    if configured is None:
        return request.host
    # The same host, perhaps with the port that only the request knows.
    is_same = urlsplit(f"//{request.host}").hostname == urlsplit(f"//{configured}").hostname
    return request.host if is_same and ":" not in configured else configured


def made_up_request(
    app: Flask, path: str, *, method: str = "GET", **options: Any
) -> RequestContext:
    """Return the context of a request to ``path`` that no browser has made.

    Its host is that of the present request, else the configured one.
    """
    if has_request_context():
        base_url = f"{request.scheme}://{request.host}"
    else:
        scheme = app.config.get("PREFERRED_URL_SCHEME") or "http"
        base_url = f"{scheme}://{configured_host(app) or 'localhost'}"
    return app.test_request_context(path, method=method, base_url=base_url, **options)


def _first_literal(hosts: Sequence[str] | str | None) -> str | None:
    names = [hosts] if isinstance(hosts, str) else hosts or ()
    return next((name for name in names if not name.startswith(".") and "*" not in name), None)
