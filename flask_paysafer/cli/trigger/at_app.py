"""Sign an event with the configured secret, and deliver it to the app's own webhook route."""

from __future__ import annotations

from ... import signing
from ...state import AppState
from ...webhooks.rehearsal import deliver, sign
from ..addresses import webhook_url
from .speaking import Reply, send


def deliver_here(state: AppState, payload: bytes) -> Reply:
    """Deliver in this process: the handlers run here, and no server has to."""
    answer = deliver(state.app, state.config, payload)
    return Reply(answer.status_code, answer.text)


def deliver_to(state: AppState, url: str, payload: bytes) -> Reply:
    """Deliver over HTTP.

    :param url: The webhook's address, or the site's: the route is then added.
    :raises PaySaferError: for what is no address, or if no answer comes.
    """
    headers = {signing.HEADER: sign(state.config, payload)}
    return send("POST", webhook_url(state, url), payload, **headers)
