"""Deliver an event to an app's own route, in process, as PaySafer would.

For trying things out: ``flask paysafer trigger`` and the pytest kit. The request
passes through everything that a delivery passes through: hooks, signature, inbox.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from flask import Flask
from werkzeug.test import TestResponse

from .. import signing
from ..config import Config
from ..errors import ConfigurationError


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
    header = signature if signature is not None else sign(config, payload, timestamp=timestamp)
    response: TestResponse = app.test_client().post(
        webhook_address(app, config),
        data=payload,
        content_type="application/json",
        headers={signing.HEADER: header},
        environ_overrides=_sender(config),
    )
    return response


def sign(config: Config, payload: bytes, *, timestamp: float | None = None) -> str:
    """Return the signature header for ``payload``, by the configured scheme and first secret.

    :raises ConfigurationError: without a secret, or for a merchant's scheme that can't sign.
    """
    if not config.webhook_secrets:
        raise ConfigurationError(
            f"{config.setting('WEBHOOK_SECRET')} is not set, so nothing can be signed. Set it "
            "to your endpoint's signing secret, which `flask paysafer endpoints create` and "
            "paysafer-sandbox print; a test can make one up, such as whsec_0123456789."
        )
    moment = time.time() if timestamp is None else timestamp
    return signer(config)(payload, config.webhook_secrets[0], timestamp=moment)


def signer(config: Config) -> Callable[..., str]:
    """Return the configured scheme's ``sign(payload, secret, *, timestamp)``.

    :raises ConfigurationError: for a merchant's scheme that can't sign.
    """
    scheme = config.signature_scheme
    chosen = signing.get_scheme(scheme) if isinstance(scheme, str) else scheme
    sign: Callable[..., str] | None = getattr(chosen, "sign", None)
    if sign is None:
        raise ConfigurationError(
            f"{config.setting('SIGNATURE_SCHEME')} is a scheme of your own that can't sign. Give "
            "it a method sign(payload, secret, *, timestamp) that returns the header."
        )
    return sign


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
