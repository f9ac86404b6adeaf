"""``flask paysafer trigger``: make an event happen, or deliver an example of one.

In the local PaySafer it really happens: objects change, and the webhooks go out to whoever
is registered. So only what can happen is possible, and ids and times are the sandbox's. An
app is sent an example, signed with the configured secret.
"""

from __future__ import annotations

import json
import secrets
import time
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import click

from ..config import Config
from ..errors import ConfigurationError, OverrideError, PaySaferError
from ..event_examples import EXAMPLES, example_event, field_type, overridable
from ..events import Event
from ..keys import is_loopback
from ..state import AppState
from ..translation import event_in_their_words
from ..webhooks.rehearsal import deliver, sign
from . import with_state
from .arguments import known_webhook_url, webhook_path, webhook_url
from .http import HTTPClient, Reply, ask_sandbox
from .output import CommandError, say

_TIMEOUT = 30.0
"""Seconds to wait for a shop's answer."""


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
    target = target or ("sandbox" if _is_sandbox(state.config) else "app")
    _check_target(target)
    if replay is not None:
        if event_type or overrides:
            raise click.UsageError("--replay sends the file as it is: give no TYPE and no --set.")
        _replay(state, replay.read(), target)
        return
    if event_type is None:
        raise click.UsageError(f"Give a TYPE, or --replay. The types: {', '.join(EXAMPLES)}.")
    try:
        _trigger(state, event_type, _read_overrides(event_type, overrides), target)
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
        _make_happen(state, _request_for(event_type, overrides))
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
    deliveries = _resend(state.config, event.id)
    if not deliveries:
        _make_happen(state, _request_again(event))
        return
    say(f"{event.type} {event.id} was sent again.")
    _judge(state, deliveries, {event.id: event.type})


def _make_happen(state: AppState, request: TriggerRequest) -> None:
    made = {event_id: kind for kind, event_id in _happen_at_sandbox(state.config, request)}
    for event_id, event_type in made.items():
        say(f"{event_type} {event_id} happened in the sandbox.")
    deliveries = [one for event_id in made for one in _deliveries_of(state.config, event_id)]
    if not deliveries:
        say(
            "No endpoint of this account takes it, so nothing was delivered. Register one: "
            "flask paysafer endpoints create --url URL."
        )
    _judge(state, deliveries, made)


def _judge(state: AppState, deliveries: list[dict[str, Any]], types: Mapping[str, str]) -> None:
    """Print one line for each endpoint; fail if this app's own did not take it all.

    Other endpoints of the account, such as a colleague's, decide nothing.
    """
    by_url: dict[str, list[dict[str, Any]]] = {}
    for delivery in deliveries:
        by_url.setdefault(delivery["url"], []).append(delivery)
    own = _own_addresses(state, by_url)
    for url, its in by_url.items():
        other = "" if url in own else " (another address than this app's)"
        say(f"{url}: {_answers(its, types)}{other}", indent=2)
    taken = [url for url in own if all(_answer_to(one)[0] for one in by_url[url])]
    if own and not taken:
        raise _not_taken(own[0])


def _own_addresses(state: AppState, urls: Collection[str]) -> list[str]:
    """Return those that are this app's, as far as it knows its address; if none is, all."""
    known, path = known_webhook_url(state), webhook_path(state)
    exact = [url for url in urls if url == known]
    alike = [url for url in urls if known is None and urlsplit(url).path.rstrip("/") == path]
    return exact or alike or list(urls)


def _answers(deliveries: list[dict[str, Any]], types: Mapping[str, str]) -> str:
    answers = {types[one["event"]]: _answer_to(one)[1] for one in deliveries}
    if len(set(answers.values())) == 1:
        return next(iter(answers.values()))
    return ", ".join(f"{kind} {answer}" for kind, answer in answers.items())


def _answer_to(delivery: dict[str, Any]) -> tuple[bool, str]:
    """Return whether the delivery was taken, and how it was answered at last."""
    if not delivery["attempts"]:
        return False, "not delivered yet"
    last = delivery["attempts"][-1]
    if last["error"]:
        return False, last["error"]
    return 200 <= last["status_code"] < 300, f"answered {last['status_code']}"


def _not_taken(url: str) -> CommandError:
    return CommandError(
        f"{url} did not take it. The shop's log says why; `flask paysafer exam {url}` examines "
        "its webhook."
    )


def _deliver(state: AppState, what: str, payload: bytes, target: str) -> None:
    if target == "app":
        reply = _deliver_here(state, payload)
    else:
        reply = _deliver_to(state, target, payload)
    say(f"{what} was delivered. Answer: {reply.status} {reply.text.strip()[:500]}")
    if reply.is_good:
        return
    if target == "app":
        raise CommandError("The app did not take it; its log says why.")
    raise _not_taken(target)


def _read_overrides(event_type: str, texts: Iterable[str]) -> dict[str, Any]:
    """Return the values by path.

    :raises OverrideError: for an unknown type or path, or a text that isn't what the path takes.
    """
    paths = overridable(event_type)
    found: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise OverrideError(f"--set takes key=value, such as data.amount=5000, not {text!r}.")
        found[path] = _read(value, field_type(path, paths))
    return found


def _read(text: str, hint: Any) -> Any:
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if type(None) in kinds and text == "null":
        return None
    if str in kinds:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text  # it doesn't fit, and the check of the values says what would


_PAYMENT = ("currency", "description", "metadata", "receipt_email")
_CUSTOMER = ("email", "name", "phone", "metadata")
_KEPT = {
    "payment": _PAYMENT,
    "customer": _CUSTOMER,
    "payout": ("currency", "failure_reason"),
    "dispute": ("reason", "outcome"),
}
"""The fields of a replayed object that a new one can be made with."""

TriggerRequest = dict[str, Any]
"""What ``POST /_sandbox/trigger`` takes."""


def _is_sandbox(config: Config) -> bool:
    """Tell whether the API's address is on this machine, as only a sandbox's is."""
    return is_loopback(urlsplit(config.api_base).hostname or "")


def _request_for(event_type: str, overrides: Mapping[str, Any]) -> TriggerRequest:
    """Return what asks the sandbox for such an event.

    :raises OverrideError: for what the sandbox decides by itself.
    """
    request: TriggerRequest = {"type": event_type}
    data: dict[str, Any] = {}
    for path, value in overrides.items():
        place, _, name = path.partition(".")
        if place != "data":
            raise OverrideError(f"The sandbox gives events their {path}; use --to app to set it.")
        if name == "amount" or (name == "payment" and event_type.startswith("dispute.")):
            request[name] = value
        elif name.startswith("metadata."):
            data.setdefault("metadata", {})[name.partition(".")[2]] = value
        else:
            data[name] = value
    return {**request, "data": data} if data else request


def _request_again(event: Event) -> TriggerRequest:
    """Return what makes something like ``event`` happen, as far as it can."""
    kept = _KEPT.get(event.type.partition(".")[0], tuple(event.data))
    data = {name: event.data[name] for name in kept if event.data.get(name) is not None}
    request = {"type": event.type, "data": data}
    # A payout of the stored amount may be more than this account has: it is of all it has.
    has_amount = "amount" in event.data and event.data.get("object") != "payout"
    return {**request, "amount": event.data["amount"]} if has_amount else request


def _happen_at_sandbox(config: Config, request: TriggerRequest) -> list[tuple[str, str]]:
    """Make it happen and have it delivered.

    :return: The type and id of every event that came of it, in request: a refund brings the
        payment that it needs.
    :raises PaySaferError: for what the sandbox refuses, or if none answers.
    """
    base = _sandbox_address(config)
    made = _make(base, {**request, **_whose(config)})
    ask_sandbox("POST", f"{base}/clock/advance", {"seconds": 0})  # returns when all is delivered
    events, _ = ask_sandbox("GET", f"{base}/events")
    return [(event["type"], event["id"]) for event in events if event["id"] in made]


def _make(base: str, request: TriggerRequest) -> list[str]:
    try:
        event, reply = ask_sandbox("POST", f"{base}/trigger", request)
    except PaySaferError as error:
        if error.code != "parameter_unknown":
            raise
        raise PaySaferError(
            f"{error.message}. The sandbox settles that by itself; --to app delivers an example "
            "with any field set."
        ) from None
    made: str = reply.headers.get("paysafer-sandbox-events", event["id"])
    return made.split()


def _resend(config: Config, event_id: str) -> list[dict[str, Any]]:
    """Deliver an event once more that the sandbox knows; return its deliveries, none if not."""
    base = _sandbox_address(config)
    return [
        ask_sandbox("POST", f"{base}/deliveries/{delivery['id']}/resend")[0]
        for delivery in _deliveries_of(config, event_id)
    ]


def _deliveries_of(config: Config, event_id: str) -> list[dict[str, Any]]:
    """Return the deliveries of one event."""
    listed, _ = ask_sandbox("GET", f"{_sandbox_address(config)}/deliveries")
    return [one for one in listed if one["event"] == event_id]


def _sandbox_address(config: Config) -> str:
    if not _is_sandbox(config):
        raise ConfigurationError(
            f"{config.setting('API_BASE')} leads to PaySafer itself, where events can't be made "
            "up. Start a sandbox (python -m flask_paysafer.sandbox) and set it to its address, "
            "or use --to app."
        )
    parts = urlsplit(config.api_base)
    return f"{parts.scheme}://{parts.netloc}/_sandbox"


def _whose(config: Config) -> dict[str, str]:
    key = config.secret_key or config.publishable_key
    if key is None:
        raise ConfigurationError(
            f"{config.setting('SECRET_KEY')} is not set, so the sandbox can't tell whose event it "
            "is. Set it to a test key such as sk_test_acmeshop1."
        )
    return {"account": key.split("_", 2)[2]}


def _deliver_here(state: AppState, payload: bytes) -> Reply:
    """Deliver in this process: the handlers run here, and no server has to."""
    answer = deliver(state.app, state.config, payload)
    return Reply(answer.status_code, answer.text)


def _deliver_to(state: AppState, url: str, payload: bytes) -> Reply:
    """Deliver over HTTP.

    :param url: The webhook's address, or the site's: the route is then added.
    :raises PaySaferError: for what is no address, or if no answer comes.
    """
    address = webhook_url(state, url)
    headers = [
        ("Content-Type", "application/json"),
        *sign(state.config, payload).items(),
    ]
    reply = HTTPClient(address, timeout=_TIMEOUT).send("POST", headers, payload)
    if not reply.status:
        raise PaySaferError(f"{address} gives no answer: {reply.error}. Is it running?")
    return reply
