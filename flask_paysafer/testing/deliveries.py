"""Deliver events to the app under test, as PaySafer would: signed, to its own route."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask
from werkzeug.test import TestResponse

from ..config import Config
from ..errors import ConfigurationError
from ..state import AppState, states
from ..translation import event_in_their_words
from ..webhooks.rehearsal import deliver
from .factories import build_event

__all__ = ["Deliver", "state_of"]

Deliverable = str | bytes | Mapping[str, Any]
"""A documented type, an event, or the bytes of a delivery."""


class Deliver:
    """Delivers one event per call and returns the app's answer.

    :param find_app: Returns the app for calls that don't name one.
    """

    def __init__(self, find_app: Callable[[], Flask]) -> None:
        self._find_app = find_app

    def __call__(
        self,
        *given: Flask | Deliverable,
        app: Flask | None = None,
        event: Deliverable | None = None,
        account: str | None = None,
        timestamp: float | None = None,
        signature: str | None = None,
        **fields: Any,
    ) -> TestResponse:
        """Sign and deliver ``event``; handlers run as they would in production.

        :param given: The event, or the app and the event.
        :param event: A documented type, such as ``"payment.completed"``; an event (of the
            builders, or any mapping); or the bytes of a delivery.
        :param app: Instead of the ``app`` fixture.
        :param account: The extension's name, where the app has several.
        :param timestamp: When it was signed, in unix seconds; now by default.
        :param signature: The whole ``PaySafer-Signature`` header, to test refusals.
        :param fields: With a type: what :func:`~flask_paysafer.testing.build_event` takes.
        :raises ConfigurationError: if the app has no PaySafer, or no webhook secret.
        :raises OverrideError: for a type or field that doesn't exist.
        """
        app, event = _told_apart((*given, app, event))
        state = state_of(app or self._find_app(), account)
        payload = _payload(event, fields, state.config)
        return deliver(state.app, state.config, payload, timestamp=timestamp, signature=signature)


def _told_apart(
    given: tuple[Flask | Deliverable | None, ...],
) -> tuple[Flask | None, Deliverable]:
    apps = [one for one in given if isinstance(one, Flask)]
    events = [one for one in given if one is not None and not isinstance(one, Flask)]
    if len(apps) > 1 or len(events) != 1:
        raise TypeError("Give paysafer_deliver one event, and the app if it has to be named.")
    return (apps[0] if apps else None), events[0]


def _payload(event: Deliverable, fields: dict[str, Any], config: Config) -> bytes:
    if isinstance(event, str):
        event = build_event(event, **{"livemode": bool(config.livemode), **fields})
    elif fields:
        raise TypeError(
            f"Fields ({', '.join(fields)}) go with an event's type. Build the event with them: "
            "paysafer_deliver(payment_completed(amount=5000))."
        )
    if isinstance(event, bytes):
        return event
    return json.dumps(event_in_their_words(config.profile, event)).encode()


def state_of(app: Flask, account: str | None) -> AppState:
    """Return the state of the account that is meant.

    :param account: None for the only one, or the one that has no name of its own.
    :raises ConfigurationError: if there is no such account in ``app``.
    """
    found = states(app)
    if account is None and len(found) == 1:
        return next(iter(found.values()))
    name = account or "paysafer"
    if name not in found:
        raise ConfigurationError(
            f"The app has no PaySafer account called {name!r}; it has: "
            f"{', '.join(sorted(found)) or 'none (was paysafer.init_app(app) called?)'}."
        )
    return found[name]
