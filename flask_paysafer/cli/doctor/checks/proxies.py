"""Whether the app knows of the proxy it runs behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, request, request_started
from werkzeug.test import Client

from ....webhooks.view import has_unheeded_proxy
from ...addresses import is_local
from ..findings import Finding, error, note, ok, warning
from ..patient import Patient

_CLIENT = "198.51.100.7"
_FORWARDED = {"X-Forwarded-For": _CLIENT, "X-Forwarded-Proto": "https"}
_CURE = (
    "Add: from werkzeug.middleware.proxy_fix import ProxyFix; "
    "app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1), with the number of "
    "proxies that are yours."
)


def check_proxies(patient: Patient) -> Iterator[Finding]:
    """Yield whether forwarded headers come in, and whether the app heeds them."""
    app = patient.state.app
    heeds = heeds_forwarded(app)
    if heeds:
        yield ok("The app heeds a proxy's forwarded headers.")
    elif has_unheeded_proxy(app):
        yield _unheeded("Deliveries come with forwarded headers, and the app does not heed them.")
    elif patient.config.webhook_allowed_networks and _is_public(patient):
        yield error(
            f"{patient.setting('WEBHOOK_ALLOWED_NETWORKS')} is set, and forwarded headers are not "
            "heeded.",
            why="Behind a proxy every delivery seems to come from the proxy, and gets 403.",
            cure=_CURE,
        )
    elif _is_public(patient):
        yield _unheeded("The site is public, and the app does not heed forwarded headers.")
    else:
        yield note("No proxy is known of.")


def _unheeded(what: str) -> Finding:
    return warning(
        what,
        why="Behind a proxy, the checkout would send customers back from their bank to http://, "
        "and see all of them at one address.",
        cure=_CURE,
    )


def _is_public(patient: Patient) -> bool:
    return (
        patient.url is not None and patient.url.startswith("https://") and not is_local(patient.url)
    )


def heeds_forwarded(app: Flask) -> bool:
    """Whether a request through ``app.wsgi_app`` takes the sender's address from the headers."""
    addresses: list[str | None] = []

    def note_address(_: Flask, **__: Any) -> None:
        addresses.append(request.remote_addr)

    with request_started.connected_to(note_address, app):
        Client(app).get("/paysafer-doctor-looks-for-proxies", headers=_FORWARDED).close()
    return _CLIENT in addresses
