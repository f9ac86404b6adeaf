from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_paysafer.errors import InvalidPayloadError
from flask_paysafer.events import EVENT_TYPES, Event
from flask_paysafer.idempotency import idempotency_key
from flask_paysafer.resources import Customer, Payment, Resource


def event_json(**changes: Any) -> bytes:
    fields: dict[str, Any] = {
        "id": "evt_1",
        "object": "event",
        "type": "payment.completed",
        "api_version": "2026-01-15",
        "created": 1709472000,
        "data": {"id": "pay_1", "object": "payment", "amount": 15000, "livemode": True},
    }
    merged = {key: value for key, value in (fields | changes).items() if value is not ...}
    return json.dumps(merged).encode()


def test_reads_an_event() -> None:
    event = Event.from_json(event_json())
    assert (event.id, event.type, event.api_version) == ("evt_1", "payment.completed", "2026-01-15")
    assert event.created_at == datetime(2024, 3, 3, 13, 20, tzinfo=UTC)
    assert type(event.data) is type(event["data"]) is Payment
    assert event.data.amount == 15000
    assert event.livemode is True
    assert event == json.loads(event_json())


def test_documented_types_are_the_ten() -> None:
    assert len(set(EVENT_TYPES)) == 10


def test_types_of_the_future_and_unknown_objects_are_kept() -> None:
    event = Event.from_json(event_json(type="mandate.signed", data={"id": "m_1", "x": {"y": 1}}))
    assert (event.type, type(event.data), event.data.x.y) == ("mandate.signed", Resource, 1)
    assert event.livemode is None


def test_an_object_without_its_name_is_what_the_type_says() -> None:
    event = Event.from_json(event_json(type="customer.created", data={"id": "cus_1"}))
    assert type(event.data) is Customer


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ...},
        {"id": ""},
        {"id": 5},
        {"id": None},
        {"id": "evt 1"},
        {"id": "evt\n"},
        {"id": "ä"},
        {"id": "x" * 256},
        {"type": ...},
        {"type": ""},
        {"type": ["payment.completed"]},
        {"type": "payment\x00"},
        {"created": ...},
        {"created": "1709472000"},
        {"created": 1709472000.5},
        {"created": True},
        {"created": -1},
        {"created": 10**12},
        {"created": 10**400},
        {"data": ...},
        {"data": None},
        {"data": []},
        {"data": "pay_1"},
        {"data": {"livemode": "true"}},
        {"object": "payment"},
        {"object": None},
        {"api_version": 5},
    ],
)
def test_refuses_what_is_no_event(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidPayloadError):
        Event.from_json(event_json(**changes))


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"null",
        b"[]",
        b"5",
        b'"x"',
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"{} {}",
        event_json() + b"x",
        event_json().decode().encode("utf-16"),
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_refuses_what_is_no_json_object(payload: bytes) -> None:
    with pytest.raises(InvalidPayloadError):
        Event.from_json(payload)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_raises_nothing_else_for_any_bytes(payload: bytes) -> None:
    with pytest.raises(InvalidPayloadError):
        Event.from_json(payload)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["id", "object", "type", "created", "data", "api_version"]),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text("ab\x00é", max_size=3),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["a", "livemode"]), inner, max_size=2)
            ),
            max_leaves=4,
        ),
    )
)
def test_raises_nothing_else_for_any_json(changes: dict[str, Any]) -> None:
    try:
        event = Event.from_json(event_json(**changes))
    except InvalidPayloadError:
        return
    assert isinstance(event.created_at, datetime)
    assert isinstance(event.data, Resource)
    assert event.idempotency_key("x")


def test_its_keys_belong_to_it() -> None:
    event = Event.from_json(event_json())
    assert event.idempotency_key("refund") == idempotency_key("evt_1", "refund")
    assert event.idempotency_key("refund") != event.idempotency_key("refund", 2)


def test_refresh_asks_whoever_dispatches() -> None:
    event = Event.from_json(event_json())
    asked: list[Event] = []

    def retrieve(of: Event) -> Resource:
        asked.append(of)
        return Payment(id=of.data.id, status="succeeded")

    with pytest.raises(RuntimeError, match="refresh\\(\\) works on the event that a handler gets"):
        event.refresh()
    event.bind(retrieve)
    assert event.refresh() == {"id": "pay_1", "status": "succeeded"}
    assert asked == [event]


def test_pickles_and_copies_without_what_it_is_bound_to() -> None:
    event = Event.from_json(event_json())
    event.bind(lambda _: Resource())
    for twin in (pickle.loads(pickle.dumps(event)), copy.copy(event), copy.deepcopy(event)):
        assert type(twin) is Event
        assert twin == event
        assert type(twin.data) is Payment
        with pytest.raises(RuntimeError):
            twin.refresh()


def test_shows_its_id_and_type_alone() -> None:
    event = Event.from_json(event_json(data={"id": "cus_1", "email": "a@example.com"}))
    assert repr(event) == "<Event id='evt_1' type='payment.completed'>"
