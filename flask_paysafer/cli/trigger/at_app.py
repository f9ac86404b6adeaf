"""Sign an event with the configured secret, and deliver it to the app's own webhook route."""

from __future__ import annotations

from urllib.parse import urlsplit

from ... import signing
from ...state import AppState
from ...webhooks.rehearsal import deliver, sign, webhook_path
from .speaking import Reply, send


def deliver_here(state: AppState, payload: bytes) -> Reply:
    """Deliver in this process: the handlers run here, and no server has to."""
    answer = deliver(state.app, state.config, payload)
    return Reply(answer.status_code, answer.text)


def deliver_to(state: AppState, url: str, payload: bytes) -> Reply:
    """Deliver over HTTP.

    :param url: The webhook's address, or the site's: the route is then added.
    :raises PaySaferError: if no answer comes.
    """
    if urlsplit(url).path in {"", "/"}:
        url = url.rstrip("/") + webhook_path(state.app, state.config)
    return send("POST", url, payload, **{signing.HEADER: sign(state.config, payload)})
