"""A PaySafer that has other words and places for what ours has."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest

from flask_paysafer import ApiProfile, Event
from flask_paysafer.errors import InvalidPayloadError
from flask_paysafer.event_examples import EXAMPLES, example_event
from flask_paysafer.resources import Payment, parse
from flask_paysafer.translation import (
    event_in_their_words,
    payment_in_our_words,
    payment_in_their_words,
)

OTHER = ApiProfile.from_mapping(
    {
        "statuses": {"paid": "succeeded", "declined": "failed"},
        "events": {"charge.paid": "payment.completed"},
        "fields": {
            "challenge_url": "links.bank",
            "failure_reason": "error.reason",
            "amount_refunded": "refunds.total",
            "card_details": "card",
        },
        "webhooks": {"data": "data.object"},
    }
)
OURS = {
    "id": "pay_1",
    "object": "payment",
    "amount": 1500,
    "currency": "aed",
    "status": "succeeded",
    "failure_reason": "none",
    "amount_refunded": 500,
    "next_action": {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": "https://bank.example", "return_url": "https://shop.example"},
    },
    "payment_method_details": {"card": {"last4": "4242"}},
}
THEIRS = {
    "id": "pay_1",
    "object": "payment",
    "amount": 1500,
    "currency": "aed",
    "status": "paid",
    "links": {"bank": "https://bank.example"},
    "error": {"reason": "none"},
    "refunds": {"total": 500},
    "card": {"last4": "4242"},
}


def read(mapping: dict[str, Any]) -> Payment:
    payment = parse(mapping, profile=OTHER)
    assert isinstance(payment, Payment)
    return payment


def test_a_moved_place_is_empty_at_its_usual_place() -> None:
    assert payment_in_their_words(OTHER, OURS) == THEIRS
    assert OURS["status"] == "succeeded"


def test_attributes_are_ours_and_items_as_they_came() -> None:
    payment = read(THEIRS)
    assert (payment.status, payment["status"]) == ("succeeded", "paid")
    assert payment.next_action is not None
    assert payment.next_action.redirect_to_url.url == "https://bank.example"
    assert payment.failure_reason == "none"
    assert payment.amount_refunded == 500
    assert payment.money_refunded.amount == 500
    assert payment.payment_method_details is not None
    assert payment.payment_method_details.card.last4 == "4242"
    assert dict(payment) == THEIRS
    assert repr(payment) == "<Payment id='pay_1' status='succeeded'>"


def test_what_is_nowhere_is_none() -> None:
    payment = read({"id": "pay_1", "object": "payment", "status": "review", "failure_reason": "x"})
    assert payment.status == "review"
    assert payment.next_action is None
    assert payment.failure_reason is None
    with pytest.raises(AttributeError, match="no field 'nothing'"):
        payment.nothing  # noqa: B018 (the access is what is tested)


@pytest.mark.parametrize(
    "again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_copy_has_both(again: Any) -> None:
    payment = again(read(THEIRS))
    assert (payment.status, payment["status"]) == ("succeeded", "paid")


def test_the_usual_profile_translates_nothing() -> None:
    assert not ApiProfile().translates
    assert payment_in_our_words(ApiProfile(), OURS) == {}
    assert payment_in_their_words(ApiProfile(), OURS) == OURS
    assert type(parse(OURS, profile=ApiProfile())) is Payment


@pytest.mark.parametrize("kind", EXAMPLES)
@pytest.mark.parametrize("profile", [ApiProfile(), OTHER], ids=["usual", "other"])
def test_every_event_comes_back_as_it_was(kind: str, profile: ApiProfile) -> None:
    ours = example_event(kind, {}, event_id="evt_1")
    payload = json.dumps(event_in_their_words(profile, ours)).encode()
    event = Event.from_json(payload, profile)
    assert event.type == kind
    assert event.payload == payload
    assert pickle.loads(pickle.dumps(event)).payload == payload
    assert event.data.id == ours["data"]["id"]
    if kind.startswith("payment."):
        assert event.data.status == ours["data"]["status"]
        assert isinstance(event.data, Payment)


def test_the_usual_profile_writes_events_as_they_are() -> None:
    ours = example_event("payment.completed", {}, event_id="evt_1")
    assert event_in_their_words(ApiProfile(), ours) == ours


def test_an_unannounced_type_is_kept() -> None:
    payload = b'{"id": "evt_1", "type": "charge.held", "created": 1, "data": {"object": {}}}'
    assert Event.from_json(payload, OTHER).type == "charge.held"


@pytest.mark.parametrize("data", ['"x"', "{}", "[]", '{"object": []}'])
def test_an_event_whose_object_is_elsewhere_is_none(data: str) -> None:
    payload = f'{{"id": "evt_1", "type": "charge.paid", "created": 1, "data": {data}}}'.encode()
    with pytest.raises(InvalidPayloadError, match='"data" is not an object'):
        Event.from_json(payload, OTHER)


def test_an_event_that_was_built_has_no_bytes() -> None:
    assert Event({"id": "evt_1"}).payload is None
