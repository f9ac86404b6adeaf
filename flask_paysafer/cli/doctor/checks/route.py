"""Whether a delivery gets through to the webhook, inside the app and from outside."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from werkzeug.test import Client

from ....redaction import redact
from ...exam.speaking import Reply, Speaker
from ..findings import Finding, error, note, ok, warning
from ..patient import BOUND, Patient

_HEADERS = {"PaySafer-Signature": f"t=1,v1={'0' * 64}"}
_REFUSED = "Invalid signature"
_UNSET = "Webhooks are not set up"


def check_route(patient: Patient) -> Iterator[Finding]:
    """Send the app a forged delivery in this process, and judge its answer."""
    with _unlogged():
        reply = _ask_app(patient)
    yield _judge(reply, f"The webhook {patient.path}")


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


def _ask_app(patient: Patient) -> Reply:
    parts = urlsplit(patient.url or "http://localhost")
    try:
        response = Client(patient.state.app).post(
            patient.path,
            base_url=f"{parts.scheme}://{parts.netloc}",
            data=b"{}",
            content_type="application/json",
            headers=_HEADERS,
            environ_overrides={"REMOTE_ADDR": _sender(patient)},
        )
    except Exception as failure:  # noqa: BLE001 (a hook of the shop's, while TESTING is on)
        return Reply(500, error=f"{type(failure).__name__}: {redact(str(failure))}")
    with response:
        location = response.headers.get("Location", "")
        return Reply(response.status_code, response.get_data(as_text=True), location)


def _sender(patient: Patient) -> str:
    networks = patient.config.webhook_allowed_networks
    return str(networks[0].network_address) if networks else "127.0.0.1"


def check_public_route(patient: Patient) -> Iterator[Finding]:
    """Send the webhook's public address a forged delivery, and judge its answer."""
    url = patient.url
    if url is None or patient.is_offline:
        yield note(
            "The webhook was not tried from outside.",
            cure="" if patient.is_offline else "Name the address: --url https://your.shop.",
        )
        return
    speaker = Speaker(urlsplit(url), timeout=BOUND)
    headers = [*_HEADERS.items(), ("Content-Type", "application/json"), ("Host", _host(url))]
    reply = speaker.send("POST", headers, b"{}", chunked=False)
    if reply.status:
        yield _judge(reply, url)
    else:
        yield warning(
            f"{url} can't be reached from here: {reply.error}.",
            why="If PaySafer can't reach it either, no event comes.",
            cure="Start the shop, and see that DNS, firewall and proxy lead there.",
        )


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _judge(reply: Reply, where: str) -> Finding:
    if reply.status == 400 and _REFUSED in reply.text:
        return ok(f"{where} is reached, and refuses what is forged.")
    if reply.status == 503 and _UNSET in reply.text:
        return error(
            f"{where} has no webhook secret.",
            why="It answers 503 to everything.",
            cure="Set it where this app runs, and restart the app.",
        )
    if 300 <= reply.status < 400:
        return error(
            f"{where} redirects ({reply.status}) to {reply.location:.200}.",
            why="PaySafer follows no redirect: every delivery fails.",
            cure="Register the address that it leads to; or, if a middleware or proxy redirects, "
            "let it pass this address.",
        )
    return _judge_status(reply, where)


def _judge_status(reply: Reply, where: str) -> Finding:
    if reply.status in (401, 403):
        return error(
            f"{where} is refused ({reply.status}) before the extension sees it.",
            why="Every delivery fails: PaySafer does not log in.",
            cure="Let what stands before the app pass it: a middleware, firewall or proxy. Hooks "
            "of the app don't matter to it.",
        )
    if reply.status == 400:
        return error(
            f"{where} is refused (400) by something else than this extension.",
            why="Every delivery fails; most often it is a CSRF protection.",
            cure="Exempt its address from it. Flask-WTF's, and hooks of the app, let it pass by "
            "themselves.",
        )
    if reply.status in (404, 405) or 200 <= reply.status < 300:
        return error(
            f"{where} leads elsewhere ({reply.status}).",
            why="Every delivery fails.",
            cure="See `flask routes`, the proxy's paths, SERVER_NAME, and whether another route or "
            "a middleware takes the same address.",
        )
    return error(
        f"{where} answers {reply.status}. {reply.error}".strip(),
        why="Every delivery fails.",
        cure="See the app's log: a hook of the app, or the server before it, fails.",
    )
