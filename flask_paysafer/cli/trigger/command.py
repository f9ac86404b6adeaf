"""The command itself."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import click

from ...errors import ConfigurationError, OverrideError
from ...event_examples import EXAMPLES, example_event
from ...events import Event
from ...state import AppState
from ...translation import event_in_their_words
from .. import with_state
from . import at_app, at_sandbox
from .overrides import read_overrides


@click.command()
@click.argument("event_type", metavar="[TYPE]", required=False)
@click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override a field, such as data.amount=5000 or data.metadata.order_id=7.",
)
@click.option(
    "--replay",
    metavar="FILE",
    type=click.File("rb"),
    help="Send this file's event (JSON; - is standard input) instead of an example.",
)
@click.option(
    "--to",
    "target",
    metavar="sandbox|app|URL",
    help="Let it happen in the sandbox of PAYSAFER_API_BASE; or deliver it signed to the app's "
    "webhook route: in this process, or at a URL. By default the sandbox if there is one.",
)
@with_state
def trigger(
    state: AppState,
    event_type: str | None,
    overrides: Sequence[str],
    replay: BinaryIO | None,
    target: str | None,
) -> None:
    """Make an event of TYPE happen, to see what the shop makes of it."""
    _refuse_live_mode(state)
    target = target or ("sandbox" if at_sandbox.is_sandbox(state.config) else "app")
    _check_target(target)
    if replay is not None:
        if event_type or overrides:
            raise click.UsageError("--replay sends the file as it is: give no TYPE and no --set.")
        _replay(state, replay.read(), target)
        return
    if event_type is None:
        raise click.UsageError(f"Give a TYPE, or --replay. The types: {', '.join(EXAMPLES)}.")
    try:
        _trigger(state, event_type, read_overrides(event_type, overrides), target)
    except OverrideError as error:
        raise click.UsageError(str(error)) from error


def _refuse_live_mode(state: AppState) -> None:
    if state.config.livemode:
        raise ConfigurationError(
            f"{state.config.setting('SECRET_KEY')} is a live key, and made-up events would be "
            "taken for real ones. Use a test key."
        )


def _check_target(target: str) -> None:
    if target not in {"sandbox", "app"} and not target.startswith(("http://", "https://")):
        raise click.UsageError("--to takes sandbox, app, or a URL such as http://127.0.0.1:5000.")


def _trigger(state: AppState, event_type: str, overrides: dict[str, Any], target: str) -> None:
    if target == "sandbox":
        _happen(state, at_sandbox.order_of(event_type, overrides))
        return
    now = int(time.time())
    given = {"created": now, "data.created": now, "data.livemode": False, **overrides}
    event = example_event(event_type, given, event_id=f"evt_{secrets.token_hex(12)}")
    event_id = event["id"]
    _deliver(state, f"{event_type} {event_id}", _written(state, event), target)


def _written(state: AppState, event: Mapping[str, Any]) -> bytes:
    return json.dumps(event_in_their_words(state.config.profile, event)).encode()


def _replay(state: AppState, payload: bytes, target: str) -> None:
    event = Event.from_json(payload, state.config.profile)
    if target != "sandbox":
        _deliver(state, f"{event.type} {event.id}", payload, target)
        return
    deliveries = at_sandbox.resend(state.config, event.id)
    if deliveries:
        _tell(f"{event.type} {event.id} was sent again.", deliveries)
        _check_taken(deliveries)
    else:
        _happen(state, at_sandbox.order_again(event))


def _happen(state: AppState, order: at_sandbox.Order) -> None:
    told: list[dict[str, Any]] = []
    for event_type, event_id in at_sandbox.happen(state.config, order):
        deliveries = at_sandbox.deliveries_of(state.config, event_id)
        _tell(f"{event_type} {event_id} happened in the sandbox.", deliveries)
        told += deliveries
    if not told:
        click.echo(
            "No endpoint of this account takes it, so nothing was delivered. Register one: "
            "flask paysafer endpoints create --url URL."
        )
    _check_taken(told)


def _tell(what: str, deliveries: list[dict[str, Any]]) -> None:
    click.echo(what)
    for delivery in deliveries:
        click.echo(f"  {delivery['url']}: {_answer_to(delivery)[1]}")


def _check_taken(deliveries: list[dict[str, Any]]) -> None:
    """Fail for the first delivery that got no 2xx, so that a script notices, too."""
    for delivery in deliveries:
        if not _answer_to(delivery)[0]:
            raise _not_taken(delivery["url"])


def _answer_to(delivery: dict[str, Any]) -> tuple[bool, str]:
    """Return whether the delivery was taken, and how it was answered at last."""
    if not delivery["attempts"]:
        return False, "not delivered yet"
    last = delivery["attempts"][-1]
    if last["error"]:
        return False, last["error"]
    return 200 <= last["status_code"] < 300, f"answered {last['status_code']}"


def _not_taken(url: str) -> click.ClickException:
    return click.ClickException(
        f"{url} did not take it. The shop's log says why; `flask paysafer exam {url}` examines "
        "its webhook."
    )


def _deliver(state: AppState, what: str, payload: bytes, target: str) -> None:
    if target == "app":
        reply = at_app.deliver_here(state, payload)
    else:
        reply = at_app.deliver_to(state, target, payload)
    click.echo(f"{what} was delivered. Answer: {reply.status} {reply.text.strip()[:500]}")
    if reply.is_good:
        return
    if target == "app":
        raise click.ClickException("The app did not take it; its log says why.")
    raise _not_taken(target)
