"""``flask paysafer endpoints``: where PaySafer sends this app's events."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from .. import signing
from ..errors import ConfigurationError
from ..events import EVENT_TYPES
from ..resources import WebhookEndpoint
from ..state import AppState
from . import with_state
from .arguments import AGE, is_local, shown, webhook_url
from .env_file import EnvFile
from .output import print_table, say
from .rotation import WAITING, KnownSecrets, Rotation


@click.group()
def endpoints() -> None:
    """List, create, rotate and delete webhook endpoints at PaySafer."""


@endpoints.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@with_state
def list_endpoints(state: AppState, *, as_json: bool) -> None:
    """Show the endpoints of the account and mode that the secret key belongs to."""
    found = list(state.client.webhook_endpoints.list(limit=100))
    secrets = KnownSecrets(state)
    if as_json:
        entries = [{**_shown(one), "fingerprint": secrets.of(one.id)} for one in found]
        click.echo(json.dumps(entries, indent=2))
    elif not found:
        say(
            "PaySafer has no webhook endpoint of this account. Register this app's with:\n"
            "flask paysafer endpoints create --url https://shop.example"
        )
    else:
        titles = ("CREATED", "MODE", "STATUS", "ID", "SECRET", "URL", "EVENTS")
        print_table(titles, [_cells(endpoint, secrets.of(endpoint.id)) for endpoint in found])


def _cells(endpoint: WebhookEndpoint, fingerprint: str | None) -> tuple[object, ...]:
    created = endpoint.get("created")
    return (
        shown(None if created is None else created * 1000),
        "live" if endpoint.get("livemode") else "test",
        endpoint.get("status"),
        endpoint.id,
        fingerprint,
        endpoint.url,
        ", ".join(endpoint.get("enabled_events") or ["*"]),
    )


def _shown(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {name: value for name, value in endpoint.items() if name != "secret"}


@endpoints.command()
@click.argument("site", metavar="[URL]", required=False)
@click.option(
    "--url",
    help="The webhook's address, or the site's alone: the same as URL. By default made from "
    "SERVER_NAME and PREFERRED_URL_SCHEME.",
)
@click.option(
    "--event",
    "events",
    multiple=True,
    metavar="TYPE",
    help="A type to be sent; may be given several times. By default all are.",
)
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the signing secret into this file, which git must ignore.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_state
def create(
    state: AppState,
    *,
    site: str | None,
    url: str | None,
    events: tuple[str, ...],
    env_file: Path | None,
    yes: bool,
) -> None:
    """Have PaySafer send events to this app, and show the signing secret, once."""
    address = webhook_url(state, url or site)
    setting = state.config.setting("WEBHOOK_SECRET")
    _check_reachable(state, address)
    _check_types(events)
    # Before the endpoint is made: its secret can't be asked for again.
    target = EnvFile.open(env_file) if env_file else None
    others = _registered(state, address)
    if not yes:
        _ask(state, address, others)
    made = state.client.webhook_endpoints.create(url=address, enabled_events=list(events) or ["*"])
    _show(made, setting)
    KnownSecrets(state).add(made)
    if target is not None:
        name = target.write(setting, made.secret or "", beside_present=bool(others))
        say(f"Written to {target.path} as {name}.")


def _check_reachable(state: AppState, address: str) -> None:
    if state.config.livemode and (is_local(address) or not address.startswith("https://")):
        raise ConfigurationError(
            "Live events go to https:// addresses that PaySafer can reach from outside. "
            "Pass the shop's own with --url https://shop.example."
        )


def _check_types(events: tuple[str, ...]) -> None:
    unknown = [kind for kind in events if kind not in EVENT_TYPES and kind != "*"]
    if unknown:
        raise ConfigurationError(
            f"PaySafer documents no event type {unknown[0]!r:.100}. It has: "
            f"{', '.join(EVENT_TYPES)}."
        )


def _registered(state: AppState, address: str) -> list[WebhookEndpoint]:
    listed = state.client.webhook_endpoints.list(limit=100)
    return [endpoint for endpoint in listed if endpoint.get("url") == address]


def _ask(state: AppState, address: str, others: list[WebhookEndpoint]) -> None:
    if others:
        say(
            f"{address} is registered already, as {others[0].id}. Another one has a secret of its "
            "own, which is how secrets are rotated; until the old one is deleted, every event "
            "comes twice and is handled once."
        )
        click.confirm("Register it once more?", abort=True)
    if state.config.livemode:
        say(f"The secret key is live: {address} will get events about real money.")
        click.confirm("Go live with it?", abort=True)


def _show(made: WebhookEndpoint, setting: str) -> None:
    say(f"Registered {made.url} as {made.id}.")
    mark = signing.fingerprint(made.secret or "")
    say(f"The fingerprint of its secret, as doctor and the list show it: {mark}.")
    say("Its signing secret, which PaySafer shows only now:")
    say(f"{setting}={made.secret}", indent=2)


@endpoints.command()
@click.argument("endpoint_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_state
def delete(state: AppState, endpoint_id: str, *, yes: bool) -> None:
    """Have PaySafer send nothing more to the endpoint called ID. Asks if it is live."""
    endpoint = state.client.webhook_endpoints.retrieve(endpoint_id)
    if endpoint.get("livemode") and not yes:
        click.confirm(f"Delete the live endpoint {endpoint.url}?", abort=True)
    state.client.webhook_endpoints.delete(endpoint_id)
    say(f"Deleted {endpoint_id}. Take its secret out of the settings, too.")


@endpoints.command()
@click.option("--url", help="The webhook's address, or the site's, if the app has no SERVER_NAME.")
@click.option(
    "--env-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file that holds the signing secret, and that git must ignore.",
)
@click.option(
    "--wait",
    type=AGE,
    default="10m",
    show_default=True,
    metavar="AGE",
    help="How long to wait for a delivery that the new secret verifies.",
)
@click.option("--yes", is_flag=True, help="Ask nothing.")
@with_state
def rotate(
    state: AppState, *, url: str | None, env_file: Path | None, wait: timedelta, yes: bool
) -> None:
    """Replace the signing secret of this app's endpoint by a new one, losing no delivery.

    Registers the address once more, waits until a delivery is verified with the new secret,
    deletes the old endpoint, waits out its retries, and drops the old secret. Run it again to go
    on where it stopped. Exits with 3 while there is something to wait for.
    """
    rotation = Rotation.resumed(state, env_file) or Rotation.begun(
        state, webhook_url(state, url), env_file
    )
    remaining = rotation.go_on(wait=wait.total_seconds(), confirms=not yes)
    if remaining is not None:
        say(remaining)
        click.get_current_context().exit(WAITING)
