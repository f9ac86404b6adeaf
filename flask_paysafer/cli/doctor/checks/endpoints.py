"""Whether PaySafer knows where this app's events go."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

from ....errors import InboxUnavailableError, PaySaferError
from ....resources import WebhookEndpoint
from ....webhooks.rotation import secret_uses
from ...addresses import is_local
from ..findings import Finding, error, note, ok, warning
from ..patient import Patient


def check_endpoints(patient: Patient) -> Iterator[Finding]:
    """Yield what PaySafer has registered for this app."""
    if not patient.asks_api:
        yield note("PaySafer was not asked for its webhook endpoints.")
        return
    try:
        listed = list(patient.client.webhook_endpoints.list(limit=100))
    except PaySaferError:
        return  # the check of the API says why
    ours = [endpoint for endpoint in listed if _is_ours(endpoint, patient)]
    if not ours:
        yield _unregistered(patient)
    for endpoint in ours:
        yield from _look_at(endpoint, patient)
    yield from _twice(ours)
    yield from _newer_than_secrets(ours, patient)


def _is_ours(endpoint: WebhookEndpoint, patient: Patient) -> bool:
    if patient.url is not None:
        return bool(endpoint.get("url") == patient.url)
    return urlsplit(endpoint.get("url") or "").path == patient.path


def _unregistered(patient: Patient) -> Finding:
    address = patient.url or f"an address that ends in {patient.path}"
    url = f" --url {patient.url}" if patient.url else " --url https://your.shop"
    return error(
        f"PaySafer has no webhook endpoint for {address}.",
        why="No event comes: paid orders are not fulfilled.",
        cure=f"Run `flask paysafer endpoints create{url}`, and set the secret it shows.",
    )


def _look_at(endpoint: WebhookEndpoint, patient: Patient) -> Iterator[Finding]:
    status = endpoint.get("status", "enabled")
    if status != "enabled":
        yield error(
            f"The endpoint {endpoint.id} is {status!r} at PaySafer.",
            why="No event comes.",
            cure="Enable it in the PaySafer Dashboard.",
        )
    if endpoint.url.startswith("http://") and not is_local(endpoint.url):
        yield warning(
            f"The endpoint {endpoint.id} has an http:// address.",
            why="Events hold customers' data, and travel readable.",
            cure="Register the https:// address, and delete this one.",
        )
    missing = _unwanted(endpoint, patient)
    if missing:
        yield error(
            f"The endpoint {endpoint.id} does not get {', '.join(missing)}.",
            why="This app has handlers for them, which never run.",
            cure="Enable these types in the Dashboard, or register the endpoint anew.",
        )
    elif status == "enabled":
        yield ok(f"{endpoint.url} is registered as {endpoint.id} and gets what is handled.")


def _unwanted(endpoint: WebhookEndpoint, patient: Patient) -> list[str]:
    enabled = endpoint.get("enabled_events") or ["*"]
    if "*" in enabled:
        return []
    return [kind for kind in patient.handled_types() if kind not in enabled]


def _twice(ours: list[WebhookEndpoint]) -> Iterator[Finding]:
    urls = [endpoint.url for endpoint in ours]
    for url in sorted({url for url in urls if urls.count(url) > 1}):
        yield warning(
            f"{url} is registered {urls.count(url)} times.",
            why="Every event comes as often. It is handled once, and takes several secrets.",
            cure="When a rotation is over, delete the old one: `flask paysafer endpoints delete`.",
        )


def _newer_than_secrets(ours: list[WebhookEndpoint], patient: Patient) -> Iterator[Finding]:
    """Yield a warning if every secret that is set was last used before any endpoint was there."""
    last = _last_verified(patient)
    made = [int(endpoint.get("created") or 0) for endpoint in ours]
    # A local PaySafer whose clock was moved ahead tells nothing about the order.
    if last is None or not made or not last.timestamp() < min(made) <= patient.wall():
        return
    setting = patient.setting("WEBHOOK_SECRET")
    again = (
        " The local PaySafer makes new ones at each start without --db." if patient.is_local else ""
    )
    yield warning(
        f"{ours[0].url} was registered {datetime.fromtimestamp(min(made), UTC):%Y-%m-%d %X} "
        f"UTC, after the last delivery that {setting} verified ({last:%Y-%m-%d %X} UTC).",
        why="Each endpoint has a secret of its own: unless this one's is set, every event is "
        f"refused with 400.{again}",
        cure=f"Set {setting} to the secret that was shown when {ours[0].id} was registered, and "
        "start the app again.",
    )


def _last_verified(patient: Patient) -> datetime | None:
    """Return when a delivery was last verified; None if some secret may be the new one's."""
    try:
        now = datetime.fromtimestamp(patient.wall(), UTC)
        uses = secret_uses(patient.config, patient.state.inbox, now=now)
    except InboxUnavailableError:
        return None  # the check of the inbox says why
    times = [use.last_used_at for use in uses]
    used = [moment for moment in times if moment is not None]
    return max(used) if used and len(used) == len(times) else None
