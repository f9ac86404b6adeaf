"""Whether deliveries get through to the webhook: inside the app, from outside, past a limiter."""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import Flask, request, request_started
from werkzeug.sansio.utils import host_is_trusted
from werkzeug.test import Client

from ...redaction import redact
from ...webhooks.rehearsal import webhook_address
from ...webhooks.view import has_unheeded_proxy
from ..arguments import is_local
from ..http import HTTPClient, Reply
from ..output import listed
from .checking import BOUND, CheckContext, Finding, error, note, ok, warning

_FORGED = {"PaySafer-Signature": f"t=1,v1={'0' * 64}"}
_REFUSED = "Invalid signature"
_UNSET = "Webhooks are not set up"
_LOST = "Every delivery fails."


def check_route(context: CheckContext) -> Iterator[Finding]:
    """Send the app a forged delivery in this process, and judge its answer."""
    where = f"The webhook {context.path}"
    misrouted = _misrouted(context, where)
    if misrouted is not None:
        yield misrouted
        return
    with _unlogged():
        reply = _ask_app(context)
    yield _judge(reply, where)


def _misrouted(context: CheckContext, where: str) -> Finding | None:
    """Return what keeps the app itself from finding the route under its own address."""
    app, host = context.state.app, urlsplit(context.url or "").netloc
    if app.url_map.host_matching:
        endpoint = f"{context.config.name}.webhook"
        served = {rule.host or "" for rule in app.url_map.iter_rules(endpoint)}
        if host and host not in served:
            return error(
                f"{where} is served for {listed(sorted(served))} alone, and not for {host}: the "
                "app is made with host_matching.",
                reason=_LOST,
                hint=f'Name the host: PaySafer(app, host="{host}"), or set SERVER_NAME.',
            )
    trusted = app.config.get("TRUSTED_HOSTS")
    if trusted and host and not host_is_trusted(host, trusted):
        return error(
            f"{host} is not in TRUSTED_HOSTS.",
            reason=f"{_LOST} The app answers 400 to every request for this host.",
            hint=f"Add {urlsplit(context.url or '').hostname!r} to TRUSTED_HOSTS.",
        )
    return None


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
    address = urlsplit(webhook_address(context.state.app, context.config))
    parts = urlsplit(context.url) if context.url else address
    try:
        response = Client(context.state.app).post(
            address.path,
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
    if not reply.status:
        yield warning(
            f"{url} can't be reached from here: {reply.error}.",
            reason="If PaySafer can't reach it either, no event comes.",
            hint="Start the shop, and see that DNS, firewall and proxy lead there.",
        )
    elif context.config.webhook_allowed_networks and _is_ours(reply) and reply.status == 403:
        setting = context.setting("WEBHOOK_ALLOWED_NETWORKS")
        yield ok(f"{url} is reached, and refuses this machine, which is not in {setting}.")
    else:
        yield _judge(reply, url)


def _is_ours(reply: Reply) -> bool:
    """Whether the answer looks like one of this extension's view."""
    return (
        reply.headers.get("cache-control") == "no-store"
        and reply.headers.get("x-content-type-options") == "nosniff"
        and reply.headers.get("content-type", "").startswith(("text/plain", "application/json"))
    )


def _judge(reply: Reply, where: str) -> Finding:
    """Return what an answer to a forged delivery means."""
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
    return _explained(reply, where)


class _Cause(NamedTuple):
    """What statuses mean that are none of the extension's own."""

    statuses: Container[int]
    what: str
    reason: str
    hint: str


_CAUSES = (
    _Cause(
        (401, 403, 407),
        "is refused ({status}) before the extension sees it",
        f"{_LOST} PaySafer does not log in.",
        "Let what stands before the app pass it: a middleware, firewall or proxy. Hooks of the app "
        "don't matter to it.",
    ),
    _Cause(
        (404, 405),
        "leads elsewhere ({status})",
        _LOST,
        "See `flask routes`, the proxy's paths, SERVER_NAME, and whether another route or a "
        "middleware takes the same address.",
    ),
    _Cause(
        range(200, 300),
        "leads elsewhere ({status})",
        _LOST,
        "See whether another route, a page of a proxy or a middleware takes the same address.",
    ),
    _Cause(
        (413,),
        "is refused (413): a limit on request bodies is too small",
        "Deliveries of some size fail.",
        "See the proxy's limit, such as nginx's client_max_body_size.",
    ),
    _Cause(
        (429,),
        "is refused (429) by a rate limiter",
        "PaySafer retries much later, and when many events come at once, orders wait for hours.",
        "Exempt the webhook's address in the limiter: of the app, the proxy or the firewall.",
    ),
    _Cause(
        (502, 503, 504),
        "is answered {status} by a proxy that reaches no app behind it",
        _LOST,
        "See the proxy's log and the address that it forwards to, and that the app is running.",
    ),
)


def _explained(reply: Reply, where: str) -> Finding:
    if reply.status == 400:
        return _explained_400(reply, where)
    for cause in _CAUSES:
        if reply.status in cause.statuses:
            what = cause.what.format(status=reply.status)
            return error(f"{where} {what}.", reason=cause.reason, hint=cause.hint)
    return error(
        f"{where} answers {reply.status}. {reply.error}".strip(),
        reason=_LOST,
        hint="See the app's log: a hook of the app, or the server before it, fails.",
    )


def _explained_400(reply: Reply, where: str) -> Finding:
    if "csrf" in reply.text.lower():
        return error(
            f"{where} is refused (400) by a CSRF protection.",
            reason=f"{_LOST} PaySafer is no browser and has no token.",
            hint="Exempt the webhook's address from it. Flask-WTF's CSRFProtect and before_request "
            "hooks of the app let it pass by themselves; a middleware does not.",
        )
    if "host" in reply.text.lower():
        return error(
            f"{where} is refused (400) for its host.",
            reason=_LOST,
            hint="See TRUSTED_HOSTS, the server's list of hosts, and the Host header that the "
            "proxy sends.",
        )
    server = reply.headers.get("server", "")
    named = f" The server calls itself {server:.60}." if server else ""
    return error(
        f"{where} is refused (400) by something else than this extension.{named}",
        reason=_LOST,
        hint=f"It says {_first_words(reply.text)!r}: see the log of the server, and of the "
        "middleware before the app.",
    )


def _first_words(text: str) -> str:
    return " ".join(text.split())[:80]


# Limits that take effect only under load.


def check_limits(context: CheckContext) -> Iterator[Finding]:
    """Yield the limits of Flask-Limiter that the webhook is under."""
    app, name = context.state.app, context.config.name
    for limiter in app.extensions.get("limiter") or ():
        is_on = getattr(limiter, "enabled", True)
        limits = _limits_on(limiter, app, f"{name}.webhook") if is_on else []
        if limits:
            yield error(
                f"Flask-Limiter limits the webhook to {', '.join(limits)}.",
                reason="Deliveries beyond it are answered 429: when many events come at once, "
                "their orders wait for PaySafer's retries, up to a day.",
                hint=f'Add: limiter.exempt(app.view_functions["{name}.webhook"])',
            )


def _limits_on(limiter: Any, app: Flask, endpoint: str) -> list[str]:
    """Return the limits as people write them, asked of Flask-Limiter as its own command does."""
    try:
        blueprint = endpoint.rpartition(".")[0]
        resolve = limiter.limit_manager.resolve_limits
        groups = [
            *resolve(app, endpoint, blueprint),
            *resolve(app, endpoint, blueprint, in_middleware=True),
        ]
        return list(dict.fromkeys(str(limit.limit) for group in groups for limit in group))
    except (AttributeError, TypeError, KeyError):  # another release of it
        return []


# Proxies.

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
