from __future__ import annotations

import pytest

from flask_paysafer.errors import SignatureVerificationError
from flask_paysafer.webhooks.verification import Webhook

from . import bodies


@pytest.mark.parametrize("size", [400, 4_000, 64_000])
def test_bodies_are_events_of_about_the_size(size: int) -> None:
    body = bodies.of_size(size)
    assert abs(len(body) - size) < 100
    assert Webhook.verify(body, bodies.sign(body), bodies.SECRET).type == "payment.completed"


def test_every_fresh_body_is_another_event() -> None:
    assert len({bodies.fresh() for _ in range(100)}) == 100


def test_a_body_can_be_signed_in_the_past() -> None:
    body = bodies.fresh()
    with pytest.raises(SignatureVerificationError):
        Webhook.verify(body, bodies.sign(body, age=400), bodies.SECRET)
