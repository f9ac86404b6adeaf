"""Copy what happened as a test of the shop, or as a command: a request, a delivery, or all."""

from __future__ import annotations

import re
from typing import Any

from ..engine import Engine
from ..failures import ApiError
from ..ledger import Row, shown
from .calls import calls_test, chain, repeatable
from .curl import delivery_command, request_command
from .details import find
from .source import as_source

SESSION = "session"
_NEEDS_APP = "Needs a fixture called ``app`` that returns the shop's Flask app."


def as_text(engine: Engine, name: str, form: str, *, base: str) -> str:
    """Return the copy.

    :param name: The id of a request, a delivery or an event, or ``session``.
    :param form: ``py`` for a test, ``sh`` for a command.
    :param base: The sandbox's own address.
    :raises ApiError: 404 for what there is not, 400 for what can't be copied so.
    """
    with engine.ledger.changed:
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
    kind, realm, row = found
    event = row if kind == "event" else engine.ledger.get("event", realm, row["event"])
    if event is None:
        raise ApiError("resource_missing", "This delivery's event is gone.")
    if form == "py":
        return _delivery_test(event, about=f"{event['type']}, {row_id}")
    endpoint = engine.ledger.get("webhook_endpoint", realm, row.get("endpoint", ""))
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
    for realm, delivery in engine.ledger.rows("delivery"):
        event = engine.ledger.get("event", realm, delivery["event"])
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
