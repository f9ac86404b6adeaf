from collections.abc import Callable
from typing import Any

import pytest

from flask_paysafer import testing
from flask_paysafer.errors import OverrideError
from flask_paysafer.events import EVENT_TYPES, Event


def builder_of(event_type: str) -> Callable[..., Event]:
    found: Callable[..., Event] = getattr(testing, event_type.replace(".", "_"))
    return found


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_documented_type_has_a_builder(event_type: str) -> None:
    event = builder_of(event_type)()
    assert (event.type, event.data.object) == (event_type, event_type.partition(".")[0])


def test_fields_of_the_object_are_given_by_name() -> None:
    event = testing.payment_completed(amount=5000, metadata={"paysafer_reference": "1"})
    assert (event.data.money.amount, event.data.metadata.paysafer_reference) == (5000, "1")


def test_fields_of_the_event_have_names_of_their_own() -> None:
    event = testing.payout_failed(event_id="evt_1", event_created=7, api_version="2027-01-01")
    assert (event.id, event.created, event.api_version) == ("evt_1", 7, "2027-01-01")


def test_every_event_has_an_id_of_its_own() -> None:
    assert testing.payment_created().id != testing.payment_created().id


def test_events_are_test_events_unless_it_is_said_otherwise() -> None:
    assert testing.dispute_created().livemode is False
    assert testing.dispute_created(livemode=True).livemode is True


@pytest.mark.parametrize("given", [{"amonut": 1}, {"amount": "1"}, {"object": "payout"}])
def test_refuses_what_does_not_exist_or_does_not_fit(given: dict[str, Any]) -> None:
    with pytest.raises(OverrideError):
        testing.payment_failed(**given)


def test_the_kit_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="no attribute 'payment_complete'"):
        _ = testing.payment_complete
