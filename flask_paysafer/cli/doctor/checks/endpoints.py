"""Whether PaySafer knows where this app's events go."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from ....errors import PaySaferError
from ....resources import WebhookEndpoint
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
