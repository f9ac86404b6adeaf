"""Whether the shop reaches the API, and PaySafer reaches the shop."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, request, request_started
from werkzeug.test import Client

from ...errors import APIConnectionError, AuthenticationError, InboxUnavailableError, PaySaferError
from ...redaction import redact
from ...resources import WebhookEndpoint
from ...webhooks.rotation import SecretUse, secret_uses
from ...webhooks.view import has_unheeded_proxy
from ..arguments import is_local
from ..http import HTTPClient, Reply
from .checking import BOUND, CheckContext, Finding, error, note, ok, warning

_FUTURE = 60
"""Seconds that a signature may be ahead of this machine's clock before it is refused."""
_GRAIN = 1
"""Seconds: ``Date`` tells no finer time."""


def check_api(context: CheckContext) -> Iterator[Finding]:
    """Yield what the API says."""
    if not context.asks_api:
        yield note(
            "The API was not asked.", hint="" if context.is_offline else "Set the keys first."
        )
        return
    yield _key(context)
    yield from _clock(context)


def _key(context: CheckContext) -> Finding:
    base = context.setting("API_BASE")
    try:
        context.client.payments.list(limit=1)
    except AuthenticationError:
        return error(
            f"PaySafer refuses the key in {context.setting('SECRET_KEY')}.",
            reason="Every call fails: nobody can pay.",
            hint="It was revoked, mistyped, or is limited to other addresses than this machine's: "
            "copy a fresh one from the Dashboard.",
        )
    except APIConnectionError as failure:
        hint = (
            "Start it with `paysafer-sandbox`"
            if context.is_local
            else "See whether this machine may connect to it: firewall, proxy, DNS"
        )
        return error(
            f"The API at {context.config.api_base} can't be reached: {failure.message}",
            reason="Nobody can pay.",
            hint=f"{hint}; the address is set by {base}.",
        )
    except PaySaferError as failure:
        return error(
            f"The API at {context.config.api_base} answers with an error: {failure.message}",
            reason="Nobody can pay while it lasts.",
            hint=f"Check that {base} ends in /v1; else see PaySafer's status page.",
        )
    return ok(f"The API at {context.config.api_base} answers and takes the key.")


def _clock(context: CheckContext) -> Iterator[Finding]:
    ahead = _seconds_ahead(context)
    if ahead is None:
        return
    text = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    hint = "Let a time service (NTP) keep the clock."
    if ahead < -_FUTURE or ahead > context.config.webhook_tolerance + _GRAIN:
        yield error(
            f"{text} PaySafer's.",
            reason="Every delivery is refused as too old or too new.",
            hint=hint,
        )
    elif abs(ahead) > _FUTURE / 4:
        yield warning(
            f"{text} PaySafer's.",
            reason="Deliveries will be refused if it drifts further.",
            hint=hint,
        )
    else:
        yield ok("This machine's clock agrees with PaySafer's.")


def _seconds_ahead(context: CheckContext) -> float | None:
    """Return how far our clock is ahead of the API's ``Date``, asked without a key."""
    address = context.config.api_base + context.config.profile.paths.payments
    reply = HTTPClient(address, timeout=BOUND / 2).send("GET")
    try:
        return context.wall() - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def check_endpoints(context: CheckContext) -> Iterator[Finding]:
    """Yield what PaySafer has registered for this app."""
    if not context.asks_api:
        yield note("PaySafer was not asked for its webhook endpoints.")
        return
    try:
        listed = list(context.client.webhook_endpoints.list(limit=100))
    except PaySaferError:
        return  # the check of the API says why
    ours = [endpoint for endpoint in listed if _is_ours(endpoint, context)]
    if not ours:
        yield _unregistered(context)
    for endpoint in ours:
        yield from _look_at_endpoint(endpoint, context)
    yield from _twice(ours)
    yield from _newer_than_secrets(ours, context)


def _is_ours(endpoint: WebhookEndpoint, context: CheckContext) -> bool:
    if context.url is not None:
        return bool(endpoint.get("url") == context.url)
    return urlsplit(endpoint.get("url") or "").path == context.path


def _unregistered(context: CheckContext) -> Finding:
    address = context.url or f"an address that ends in {context.path}"
    url = f" --url {context.url}" if context.url else " --url https://your.shop"
    return error(
        f"PaySafer has no webhook endpoint for {address}.",
        reason="No event comes: paid orders are not fulfilled.",
        hint=f"Run `flask paysafer endpoints create{url}`, and set the secret it shows.",
    )


def _look_at_endpoint(endpoint: WebhookEndpoint, context: CheckContext) -> Iterator[Finding]:
    status = endpoint.get("status", "enabled")
    if status != "enabled":
        yield error(
            f"The endpoint {endpoint.id} is {status!r} at PaySafer.",
            reason="No event comes.",
            hint="Enable it in the PaySafer Dashboard.",
        )
    if endpoint.url.startswith("http://") and not is_local(endpoint.url):
        yield warning(
            f"The endpoint {endpoint.id} has an http:// address.",
            reason="Events hold customers' data, and travel readable.",
            hint="Register the https:// address, and delete this one.",
        )
    missing = _unwanted(endpoint, context)
    if missing:
        yield error(
            f"The endpoint {endpoint.id} does not get {', '.join(missing)}.",
            reason="This app has handlers for them, which never run.",
            hint="Enable these types in the Dashboard, or register the endpoint anew.",
        )
    elif status == "enabled":
        yield ok(f"{endpoint.url} is registered as {endpoint.id} and gets what is handled.")


def _unwanted(endpoint: WebhookEndpoint, context: CheckContext) -> list[str]:
    enabled = endpoint.get("enabled_events") or ["*"]
    if "*" in enabled:
        return []
    return [kind for kind in context.handled_types() if kind not in enabled]


def _twice(ours: list[WebhookEndpoint]) -> Iterator[Finding]:
    urls = [endpoint.url for endpoint in ours]
    for url in sorted({url for url in urls if urls.count(url) > 1}):
        yield warning(
            f"{url} is registered {urls.count(url)} times.",
            reason="Every event comes as often. It is handled once, and takes several secrets.",
            hint="When a rotation is over, delete the old one: `flask paysafer endpoints delete`.",
        )


def _newer_than_secrets(ours: list[WebhookEndpoint], context: CheckContext) -> Iterator[Finding]:
    """Yield a warning if every secret that is set was last used before any endpoint was there."""
    last = _last_verified(context)
    made = [int(endpoint.get("created") or 0) for endpoint in ours]
    # A local PaySafer whose clock was moved ahead tells nothing about the order.
    if last is None or not made or not last.timestamp() < min(made) <= context.wall():
        return
    setting = context.setting("WEBHOOK_SECRET")
    again = (
        " The local PaySafer makes new ones at each start without --db." if context.is_local else ""
    )
    yield warning(
        f"{ours[0].url} was registered {datetime.fromtimestamp(min(made), UTC):%Y-%m-%d %X} "
        f"UTC, after the last delivery that {setting} verified ({last:%Y-%m-%d %X} UTC).",
        reason="Each endpoint has a secret of its own: unless this one's is set, every event is "
        f"refused with 400.{again}",
        hint=f"Set {setting} to the secret that was shown when {ours[0].id} was registered, and "
        "start the app again.",
    )


def _last_verified(context: CheckContext) -> datetime | None:
    """Return when a delivery was last verified; None if some secret may be the new one's."""
    try:
        now = datetime.fromtimestamp(context.wall(), UTC)
        uses = secret_uses(context.config, context.state.inbox, now=now)
    except InboxUnavailableError:
        return None  # the check of the inbox says why
    times = [use.last_used_at for use in uses]
    used = [moment for moment in times if moment is not None]
    return max(used) if used and len(used) == len(times) else None


def check_secrets(context: CheckContext) -> Iterator[Finding]:
    """Yield one finding for each secret."""
    if not context.config.webhook_secrets:
        return
    now = datetime.fromtimestamp(context.wall(), UTC)
    try:
        uses = secret_uses(context.config, context.state.inbox, now=now)
    except InboxUnavailableError:
        return  # the check of the inbox says why
    some_in_use = any(use.verdict == "in use" for use in uses)
    for use in uses:
        yield _judge_secret(use, context, some_in_use=some_in_use)


def _judge_secret(use: SecretUse, context: CheckContext, *, some_in_use: bool) -> Finding:
    setting = context.setting("WEBHOOK_SECRET")
    name = f"Entry {use.position} of {setting} (fingerprint {use.fingerprint})"
    if use.verdict == "in use":
        return ok(f"{name} last verified a delivery {use.last_used_at:%Y-%m-%d %H:%M} UTC.")
    if use.verdict == "droppable":
        return note(
            f"{name} verified nothing since {use.last_used_at:%Y-%m-%d %H:%M} UTC, while another "
            "does.",
            hint=f"Take it out of {setting}: the rotation is over.",
        )
    if some_in_use:
        return warning(
            f"{name} has verified nothing yet.",
            reason="It is new, or it is the secret of another endpoint.",
            hint="Once its endpoint has delivered something, look again; if it never does, take it "
            "out.",
        )
    return note(
        f"{name} has verified nothing yet.",
        hint="Pay once in test mode, or send an event: `flask paysafer trigger payment.completed`.",
    )


_FORGED = {"PaySafer-Signature": f"t=1,v1={'0' * 64}"}
_REFUSED = "Invalid signature"
_UNSET = "Webhooks are not set up"


def check_route(context: CheckContext) -> Iterator[Finding]:
    """Send the app a forged delivery in this process, and judge its answer."""
    with _unlogged():
        reply = _ask_app(context)
    yield _judge_route(reply, f"The webhook {context.path}")


@contextmanager
def _unlogged() -> Iterator[None]:
    """Keep the refusal of our own forgery out of the log, where it would alarm people."""
    refuser = logging.getLogger("flask_paysafer.webhooks.view")
    refuser.addFilter(_nothing)
    try:
        yield
    finally:
        refuser.removeFilter(_nothing)


def _nothing(_: logging.LogRecord) -> bool:
    return False


def _ask_app(context: CheckContext) -> Reply:
    parts = urlsplit(context.url or "http://localhost")
    try:
        response = Client(context.state.app).post(
            context.path,
            base_url=f"{parts.scheme}://{parts.netloc}",
            data=b"{}",
            content_type="application/json",
            headers=_FORGED,
            environ_overrides={"REMOTE_ADDR": _sender(context)},
        )
    except Exception as failure:  # noqa: BLE001 (a hook of the shop's, while TESTING is on)
        return Reply(500, error=f"{type(failure).__name__}: {redact(str(failure))}")
    with response:
        headers = {name.lower(): value for name, value in response.headers}
        return Reply(response.status_code, response.get_data(as_text=True), headers)


def _sender(context: CheckContext) -> str:
    networks = context.config.webhook_allowed_networks
    return str(networks[0].network_address) if networks else "127.0.0.1"


def check_public_route(context: CheckContext) -> Iterator[Finding]:
    """Send the webhook's public address a forged delivery, and judge its answer."""
    url = context.url
    if url is None or context.is_offline:
        yield note(
            "The webhook was not tried from outside.",
            hint="" if context.is_offline else "Name the address: --url https://your.shop.",
        )
        return
    headers = [*_FORGED.items(), ("Content-Type", "application/json")]
    reply = HTTPClient(url, timeout=BOUND).send("POST", headers, b"{}")
    if reply.status:
        yield _judge_route(reply, url)
    else:
        yield warning(
            f"{url} can't be reached from here: {reply.error}.",
            reason="If PaySafer can't reach it either, no event comes.",
            hint="Start the shop, and see that DNS, firewall and proxy lead there.",
        )


def _judge_route(reply: Reply, where: str) -> Finding:
    if reply.status == 400 and _REFUSED in reply.text:
        return ok(f"{where} is reached, and refuses what is forged.")
    if reply.status == 503 and _UNSET in reply.text:
        return error(
            f"{where} has no webhook secret.",
            reason="It answers 503 to everything.",
            hint="Set it where this app runs, and restart the app.",
        )
    if 300 <= reply.status < 400:
        return error(
            f"{where} redirects ({reply.status}) to {reply.location:.200}.",
            reason="PaySafer follows no redirect: every delivery fails.",
            hint="Register the address that it leads to; or, if a middleware or proxy redirects, "
            "let it pass this address.",
        )
    return _judge_status(reply, where)


def _judge_status(reply: Reply, where: str) -> Finding:
    if reply.status in (401, 403):
        return error(
            f"{where} is refused ({reply.status}) before the extension sees it.",
            reason="Every delivery fails: PaySafer does not log in.",
            hint="Let what stands before the app pass it: a middleware, firewall or proxy. Hooks "
            "of the app don't matter to it.",
        )
    if reply.status == 400:
        return error(
            f"{where} is refused (400) by something else than this extension.",
            reason="Every delivery fails; most often it is a CSRF protection.",
            hint="Exempt its address from it. Flask-WTF's, and hooks of the app, let it pass by "
            "themselves.",
        )
    if reply.status in (404, 405) or 200 <= reply.status < 300:
        return error(
            f"{where} leads elsewhere ({reply.status}).",
            reason="Every delivery fails.",
            hint="See `flask routes`, the proxy's paths, SERVER_NAME, and whether another route or "
            "a middleware takes the same address.",
        )
    return error(
        f"{where} answers {reply.status}. {reply.error}".strip(),
        reason="Every delivery fails.",
        hint="See the app's log: a hook of the app, or the server before it, fails.",
    )


_CLIENT = "198.51.100.7"
_FORWARDED = {"X-Forwarded-For": _CLIENT, "X-Forwarded-Proto": "https"}
_HINT = (
    "Add: from werkzeug.middleware.proxy_fix import ProxyFix; "
    "app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1), with the number of "
    "proxies that are yours."
)


def check_proxies(context: CheckContext) -> Iterator[Finding]:
    """Yield whether forwarded headers come in, and whether the app heeds them."""
    app = context.state.app
    heeds = heeds_forwarded(app)
    if heeds:
        yield ok("The app heeds a proxy's forwarded headers.")
    elif has_unheeded_proxy(app):
        yield _unheeded("Deliveries come with forwarded headers, and the app does not heed them.")
    elif context.config.webhook_allowed_networks and _is_public(context):
        yield error(
            f"{context.setting('WEBHOOK_ALLOWED_NETWORKS')} is set, and forwarded headers are not "
            "heeded.",
            reason="Behind a proxy every delivery seems to come from the proxy, and gets 403.",
            hint=_HINT,
        )
    elif _is_public(context):
        yield _unheeded("The site is public, and the app does not heed forwarded headers.")
    else:
        yield note("No proxy is known of.")


def _unheeded(what: str) -> Finding:
    return warning(
        what,
        reason="Behind a proxy, the checkout would send customers back from their bank to http://, "
        "and see all of them at one address.",
        hint=_HINT,
    )


def _is_public(context: CheckContext) -> bool:
    return (
        context.url is not None and context.url.startswith("https://") and not is_local(context.url)
    )


def heeds_forwarded(app: Flask) -> bool:
    """Whether a request through ``app.wsgi_app`` takes the sender's address from the headers."""
    addresses: list[str | None] = []

    def note_address(_: Flask, **__: Any) -> None:
        addresses.append(request.remote_addr)

    with request_started.connected_to(note_address, app):
        Client(app).get("/paysafer-doctor-looks-for-proxies", headers=_FORWARDED).close()
    return _CLIENT in addresses
