"""Write API calls as a test: made again in an empty sandbox, they have to end as they did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from ..failures import invalid
from ..faults import AFTER_WORK, HEADER
from .cards import unmasked
from .source import ID, as_source

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
