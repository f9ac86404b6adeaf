"""Copy what happened as a pytest test of the shop or as curl commands.

A copied test makes the calls again in an empty sandbox, where they have to end as they did.
"""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from ..cards import BY_NUMBER
from ..engine import Engine
from ..errors import ApiError, invalid
from ..faults import AFTER_WORK, HEADER
from ..store import Row, shown
from .lists import find

_BY_LAST_FOUR = {number[-4:]: number for number in BY_NUMBER}
_ANY_CVC = "123"


def unmasked(entry: dict[str, Any]) -> str:
    """Return a logged request's body, with the test card that it was about."""
    body: str = entry["request"]["body"]
    if '"card"' not in body:
        return body
    try:
        sent, answer = json.loads(body), json.loads(entry["response"]["body"])
        number = _BY_LAST_FOUR[answer["card"]["last4"]]
        sent["card"] |= {"number": number, "cvc": _ANY_CVC}
    except (ValueError, KeyError, TypeError):
        return body  # it was refused: no answer tells which card it was
    return json.dumps(sent)


WIDTH = 88
ID = re.compile(r"\b(?:pay|cus|we|tok|dp|po|evt|dlv)_[0-9A-Za-z]{24}\b")
"""The ids that the sandbox gives."""

Names = Mapping[str, str]
"""The Python expression to write for each id."""


def as_source(value: Any, names: Names | None = None, *, indent: int = 0, used: int = 0) -> str:
    """Return a Python expression for ``value``.

    :param names: Expressions to write in place of ids.
    :param indent: How deep the line that it starts on is indented.
    :param used: How much of that line is taken already, the indent included.
    """
    flat = _flat(value, names or {})
    if len(flat) + used <= WIDTH or not value or not isinstance(value, dict | list):
        return flat
    return _wrapped(value, names or {}, indent)


def _flat(value: Any, names: Names) -> str:
    if isinstance(value, str):
        return _text(value, names)
    if isinstance(value, dict):
        inner = ", ".join(f"{_text(key, {})}: {_flat(one, names)}" for key, one in value.items())
        return f"{{{inner}}}"
    if isinstance(value, list):
        return f"[{', '.join(_flat(one, names) for one in value)}]"
    return repr(value)


def _wrapped(value: Any, names: Names, indent: int) -> str:
    inside, pad = indent + 4, " " * (indent + 4)
    if isinstance(value, dict):
        heads = [(f"{pad}{_text(key, {})}: ", one) for key, one in value.items()]
        opening, closing = "{", "}"
    else:
        heads = [(pad, one) for one in value]
        opening, closing = "[", "]"
    lines = [
        head + as_source(one, names, indent=inside, used=len(head) + 1) + "," for head, one in heads
    ]
    return "\n".join([opening, *lines, " " * indent + closing])


def _text(text: str, names: Names) -> str:
    """Return a literal in double quotes, an expression, or an f-string with expressions."""
    if text in names:
        return names[text]
    known = [found for found in ID.findall(text) if found in names]
    if not known:
        return _quoted(text)
    literal = _quoted(text.replace("{", "{{").replace("}", "}}"))
    for found in known:
        literal = literal.replace(found, f"{{{names[found]}}}")
    return "f" + literal


def _quoted(text: str) -> str:
    """Return a literal in double quotes: those of JSON mean the same in Python."""
    literal = json.dumps(text, ensure_ascii=False)
    # JSON lets half a surrogate pair through, which no file could hold.
    return literal.encode("utf-8", "backslashreplace").decode()


def request_command(entry: dict[str, Any], base: str) -> str:
    """Return the command that makes a logged request again; ``base`` is the sandbox's address."""
    query = f"?{entry['query']}" if entry["query"] else ""
    headers = {}
    if entry["account"]:
        headers["Authorization"] = f"Bearer {key_of(entry)}"
    if entry["idempotency_key"]:
        headers["Idempotency-Key"] = entry["idempotency_key"]
    if entry["fault"]:
        headers[HEADER] = entry["fault"]
    body = unmasked(entry)
    if body:
        headers["Content-Type"] = "application/json"
    return _command(entry["method"], base + entry["path"] + query, headers, body)


def key_of(entry: dict[str, Any]) -> str:
    """Return the key that the request may have had; browsers use the publishable one."""
    is_browser = entry["path"] == "/v1/tokens" or "secret_key_required" in entry["response"]["body"]
    return f"{'pk' if is_browser else 'sk'}_{entry['mode']}_{entry['account']}"


def delivery_command(engine: Engine, event: Row, endpoint: Row) -> str:
    """Return the command that delivers an event, signed at this moment by the real clock."""
    request = engine.signer.request(event, endpoint, time.time())
    return "# Signed just now: a shop takes it for five minutes.\n" + _command(
        "POST", request.url, request.headers, request.body.decode()
    )


def _command(method: str, url: str, headers: dict[str, str], body: str) -> str:
    parts = [f"curl -X {shlex.quote(method)} {shlex.quote(url)}"]
    parts += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    if body:
        parts.append(f"--data-raw {shlex.quote(body)}")
    return " \\\n  ".join(parts) + "\n"


_TOLD = ("status", "amount", "amount_received", "amount_refunded", "deleted")
_CLOCK_SECONDS = 60
"""How far a test's clock, which stands still, may be behind: rate limits run on it too."""
_METHODS_WITH_KEYS = {"POST", "PATCH"}

Entry = dict[str, Any]
"""A request as the log lists it, or a step between requests."""


def chain(log: Sequence[Entry], last: Entry) -> list[Entry]:
    """Return a request and what before it had to do with the objects it names, in order.

    :raises ApiError: if nothing that can be repeated made one of them, such as a seed.
    """
    wanted, chosen = _ids_sent(last), [last]
    for entry in reversed(log[: log.index(last)]):
        made = wanted & _ids_touched(entry)
        if made:
            wanted = (wanted - _ids_made(entry)) | _ids_sent(entry)
            chosen.append(entry)
    if wanted:
        raise invalid(
            "id",
            f"this request is about {', '.join(sorted(wanted))}, which nothing logged has made, so "
            "an empty sandbox couldn't repeat it. Copy it as curl, or copy the delivery.",
        )
    return chosen[::-1]


def repeatable(log: Sequence[Entry]) -> list[Entry]:
    """Return the requests of a log that an empty sandbox can repeat, and should.

    An endpoint registered again would have the test deliver to the running shop.
    """
    known: set[str] = set()
    chosen = []
    for entry in log:
        if _is_repeatable(entry) and not _is_about_endpoints(entry) and _ids_sent(entry) <= known:
            chosen.append(entry)
            known |= _ids_touched(entry)
    return chosen


def _is_repeatable(entry: Entry) -> bool:
    return "step" in entry or (
        entry["status"] not in {401, 404, 405, 413} and entry["route"] is not None
    )


def _is_about_endpoints(entry: Entry) -> bool:
    return "WebhookEndpoint" in (entry.get("route") or "")


def calls_test(name: str, entries: Sequence[Entry]) -> str:
    """Return the source of a test function that makes these calls.

    :raises ApiError: for a call that can't be made through the client.
    """
    names: dict[str, str] = {}
    lines: list[str] = []
    shown = entries[0]["at"]
    for place, entry in enumerate(entries, 1):
        if not _is_repeatable(entry):
            raise invalid("id", "the API took it for no call of its own. Copy it as curl.")
        if entry["at"] - shown >= _CLOCK_SECONDS:
            lines.append(f"    paysafer_sandbox.advance({entry['at'] - shown})")
            shown = entry["at"]
        lines += _step(entry, names, place) if "step" in entry else _call(entry, names, place)
    body = "\n".join(lines) + "\n"
    more = ", paysafer_sandbox" if "paysafer_sandbox." in body else ""
    return f"def {name}(paysafer_client{more}):\n{body}"


def _step(entry: Entry, names: dict[str, str], place: int) -> list[str]:
    given = [as_source(value, names) for value in entry["arguments"]]
    given += [f"{name}={as_source(value, names)}" for name, value in entry["keywords"].items()]
    call = f"{entry['step']}({', '.join(given)})"
    if not _ids_made(entry):
        return [f"    {call}"]
    names[entry["made"]] = f"event_{place}['data']['id']"
    return [f"    event_{place} = {call}"]


def _call(entry: Entry, names: dict[str, str], place: int) -> list[str]:
    if entry["status"] < 400 and entry["fault"] not in AFTER_WORK:
        answer = f"answer_{place}"
        lines = [f"    {answer} = {_request(entry, names, 4)}", *_checks(answer, entry, names)]
    else:
        answer = f"failure_{place}"
        lines = [
            f"    with pytest.raises(errors.PaySaferError) as {answer}:",
            f"        {_request(entry, names, 8)}",
            *_failure_checks(answer, entry),
        ]
    for got, where in _ids_got(entry).items():
        names[got] = f"{answer}{where}"
    return lines


def _request(entry: Entry, names: dict[str, str], indent: int) -> str:
    path = as_source(entry["path"].removeprefix("/v1"), names)
    start = f'paysafer_client.request("{entry["method"]}", {path}'
    options = _options(entry)
    if not options:
        return start + ")"
    pad = " " * (indent + 4)
    lines = [
        f"{pad}{name}="
        + as_source(value, names, indent=indent + 4, used=indent + 6 + len(name))
        + ","
        for name, value in options.items()
    ]
    return "\n".join([start + ",", *lines, " " * indent + ")"])


def _options(entry: Entry) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if entry["query"]:
        options["params"] = dict(parse_qsl(entry["query"], keep_blank_values=True))
    body = unmasked(entry)
    if body and entry["method"] in _METHODS_WITH_KEYS:
        options["json"] = _json(body)
    if entry["idempotency_key"]:
        options["idempotency_key"] = entry["idempotency_key"]
    fault = "rate-limit" if entry["status"] == 429 else entry["fault"]
    if fault:
        options["headers"] = {HEADER: fault}
    return options


def _json(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise invalid("id", "its body is no JSON. Copy it as curl.") from None


def _checks(answer: str, entry: Entry, names: dict[str, str]) -> list[str]:
    got = _json(entry["response"]["body"])
    return [
        f"    assert {answer}[{as_source(field)}] == {as_source(got[field], names)}"
        for field in _TOLD
        if field in got
    ]


def _failure_checks(failure: str, entry: Entry) -> list[str]:
    if entry["fault"] in AFTER_WORK:
        return [f'    assert {failure}.value.outcome == "unknown"']
    error = _json(entry["response"]["body"])["error"]
    return [
        f"    assert {failure}.value.status == {entry['status']}",
        f"    assert {failure}.value.code == {as_source(error['code'])}",
    ]


def _ids_touched(entry: Entry) -> set[str]:
    """Return the ids of the objects that it made or may have changed."""
    return _ids_sent(entry) | _ids_made(entry) if "step" in entry else {*_ids_got(entry)}


def _ids_made(entry: Entry) -> set[str]:
    """Return the ids that it was the first to know, or for a request may have been."""
    if "step" not in entry:
        return {*_ids_got(entry)}
    return {entry["made"]} - _ids_sent(entry) if ID.fullmatch(entry["made"] or "") else set()


def _ids_sent(entry: Entry) -> set[str]:
    if "step" in entry:
        return set(ID.findall(json.dumps([entry["arguments"], entry["keywords"]])))
    return set(ID.findall(f"{entry['path']}?{entry['query']} {entry['request']['body']}"))


def _ids_got(entry: Entry) -> dict[str, str]:
    """Return the ids that the answer brought, with where in it the client finds them."""
    if entry["fault"] in AFTER_WORK or entry["method"] == "GET":
        return {}
    try:
        answer = json.loads(entry["response"]["body"])
    except ValueError:
        return {}
    if isinstance(answer.get("id"), str):
        return {answer["id"]: "['id']"}
    failed = answer.get("error", {}).get("payment", {}).get("id")
    return {failed: ".value.payment_id"} if failed else {}


SESSION = "session"
_NEEDS_APP = "Needs a fixture called ``app`` that returns the shop's Flask app."


def as_text(engine: Engine, name: str, form: str, *, base: str) -> str:
    """Return the copy.

    :param name: The id of a request, a delivery or an event, or ``session``.
    :param form: ``py`` for a test, ``sh`` for a command.
    :param base: The sandbox's own address.
    :raises ApiError: 404 for what there is not, 400 for what can't be copied so.
    """
    with engine.store.changed:
        log = engine.log.listed()
        story = engine.log.story()
        if name == SESSION:
            return _session_test(engine, story) if form == "py" else _commands(log, base)
        entry = next((entry for entry in log if entry["id"] == name), None)
        if entry is not None:
            return _request_test(story, entry) if form == "py" else request_command(entry, base)
        return _delivery(engine, name, form)


def _commands(log: list[dict[str, Any]], base: str) -> str:
    return "\n".join(request_command(entry, base) for entry in log)


def _request_test(log: list[dict[str, Any]], entry: dict[str, Any]) -> str:
    name = f"test_{_snake(entry['route'] or 'request')}"
    body = calls_test(name, chain(log, entry))
    # Not the address: whoever sent the request chose it, and this becomes code.
    about = f"{entry['route']}, {entry['id']}"
    return _file(about, "Calls an empty sandbox of its own.", body)


def _delivery(engine: Engine, row_id: str, form: str) -> str:
    found = find(engine, row_id)
    if found is None or found[0] not in {"delivery", "event"}:
        raise ApiError("resource_missing", f"No request, delivery or event: {row_id[:100]}")
    kind, tenant, row = found
    event = row if kind == "event" else engine.store.get("event", tenant, row["event"])
    if event is None:
        raise ApiError("resource_missing", "This delivery's event is gone.")
    if form == "py":
        return _delivery_test(event, about=f"{event['type']}, {row_id}")
    endpoint = engine.store.get("webhook_endpoint", tenant, row.get("endpoint", ""))
    if endpoint is None:
        raise ApiError("resource_missing", "There is no endpoint to deliver it to (any more).")
    return delivery_command(engine, event, endpoint)


def _delivery_test(event: Row, *, about: str) -> str:
    name = _snake(event["type"])
    body = f"""\
EVENT = {as_source(shown(event), used=8)}


def test_{name}_is_taken(paysafer_deliver):
    response = paysafer_deliver(EVENT)
    assert response.status_code == 200, response.text
    assert response.json["received"] is True
"""
    return _file(about, _NEEDS_APP, body)


def _session_test(engine: Engine, log: list[dict[str, Any]]) -> str:
    parts = []
    events = _in_order_of_arrival(engine)
    if events:
        parts.append(f"""\
DELIVERED = {as_source(events, used=12)}


def test_every_delivery_is_taken(paysafer_deliver):
    for event in DELIVERED:
        response = paysafer_deliver(event)
        assert response.status_code == 200, (event["type"], response.text)
""")
    calls = repeatable(log)
    if any("step" not in call for call in calls):
        parts.append(calls_test("test_every_call_ends_as_it_did", calls))
    if not parts:
        raise ApiError("resource_missing", "Nothing has happened yet that could be copied.")
    return _file("the whole session", _NEEDS_APP, "\n\n".join(parts))


def _in_order_of_arrival(engine: Engine) -> list[Row]:
    """Return the events as they arrived, those that came twice twice; copies to others once."""
    arrivals: list[tuple[int, int, Row]] = []
    seen: set[str] = set()
    for tenant, delivery in engine.store.rows("delivery"):
        event = engine.store.get("event", tenant, delivery["event"])
        if event is not None and event["id"] not in seen:
            seen.add(event["id"])
            arrivals += [(one["at"], delivery["_seq"], event) for one in delivery["attempts"]]
    return [shown(event) for _, _, event in sorted(arrivals, key=lambda arrival: arrival[:2])]


def _file(about: str, needs: str, body: str) -> str:
    imports = "import pytest\n\nfrom flask_paysafer import errors\n\n" if "pytest." in body else ""
    space = "\n" if body.startswith("def ") and imports else ""
    return (
        f'"""Copied from the PaySafer sandbox: {about}.\n\n{needs}\n"""\n\n{imports}{space}{body}'
    )


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace(".", "_").lower()
