"""Deliver an event to an app's own route, in process, as PaySafer would.

For trying things out: ``flask paysafer trigger`` and the pytest kit. The request
passes through everything that a delivery passes through: hooks, signature, inbox.
"""

from __future__ import annotations

import time

from flask import Flask
from werkzeug.test import TestResponse

from .. import signing
from ..config import Config
from ..errors import ConfigurationError
from .verification import message_id_of


def deliver(
    app: Flask,
    config: Config,
    payload: bytes,
    *,
    timestamp: float | None = None,
    signature: str | None = None,
) -> TestResponse:
    """Sign ``payload`` with the configured secret, and post it to the app's webhook route.

    It comes from an allowed network, where the settings name any.

    :param timestamp: When it is signed, in unix seconds; now by default.
    :param signature: The whole header instead.
    :raises ConfigurationError: if it can't be signed; the message tells the cure.
    """
    if signature is None:
        headers = sign(config, payload, timestamp=timestamp)
    else:
        headers = {config.delivery_profile.headers.signature: signature}
    response: TestResponse = app.test_client().post(
        webhook_address(app, config),
        data=payload,
        content_type="application/json",
        headers=headers,
        environ_overrides=_sender(config),
    )
    return response


def sign(config: Config, payload: bytes, *, timestamp: float | None = None) -> dict[str, str]:
    """Return the headers of a delivery, signed by the configured scheme and first secret.

    :raises ConfigurationError: without a secret, or for a merchant's scheme that can't sign.
    """
    if not config.webhook_secrets:
        raise ConfigurationError(
            f"{config.setting('WEBHOOK_SECRET')} is not set, so nothing can be signed. Set it "
            "to your endpoint's signing secret, which `flask paysafer endpoints create` and "
            "paysafer-sandbox print; a test can make one up, such as whsec_0123456789."
        )
    return sign_with(config, payload, config.webhook_secrets[0], timestamp=timestamp)


def sign_with(
    config: Config, payload: bytes, secret: str, *, timestamp: float | None = None
) -> dict[str, str]:
    """Return the headers of a delivery, signed by the configured scheme and ``secret``.

    :raises ConfigurationError: for a merchant's scheme that can't sign.
    """
    scheme = signing.get_scheme(config.signature_scheme, config.profile)
    moment = time.time() if timestamp is None else timestamp
    return scheme.sign(payload, secret, timestamp=moment, message_id=message_id_of(payload))


def webhook_path(app: Flask, config: Config) -> str:
    """Return the path of the extension's webhook route in ``app``."""
    return app.url_map.bind("localhost").build(f"{config.name}.webhook")


def webhook_address(app: Flask, config: Config) -> str:
    """Return the webhook's whole address for a request that is made up in this process.

    Its host is the route's own, else ``SERVER_NAME``, else the first of ``TRUSTED_HOSTS`` that is
    no pattern: on any other the app would answer 404 or 400. ``APPLICATION_ROOT`` is not in it.
    """
    trusted = [host for host in app.config.get("TRUSTED_HOSTS") or () if not host.startswith(".")]
    host = app.config.get("SERVER_NAME") or next(iter(trusted), "localhost")
    scheme = app.config.get("PREFERRED_URL_SCHEME") or "http"
    adapter = app.url_map.bind(host, url_scheme=scheme)
    address = adapter.build(f"{config.name}.webhook", force_external=True)
    return address.replace(":///", f"://{host}/", 1)  # a route of no host, where hosts are matched


def _sender(config: Config) -> dict[str, str]:
    networks = config.webhook_allowed_networks
    return {"REMOTE_ADDR": str(networks[0].network_address)} if networks else {}
