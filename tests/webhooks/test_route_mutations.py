"""Thousands of damaged requests at the route: one answer, no trace, never a server error."""

from __future__ import annotations

import random

import pytest

from tests.signing.mutations import damaged

from .door_app import Door, event_body, sign

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(3))
def test_damaged_requests_get_one_answer_and_leave_no_trace(seed: int) -> None:
    rng, door, body = random.Random(seed), Door(), event_body()
    genuine = sign(body)
    for _ in range(1_500):
        header = damaged(rng, genuine)
        wire = header.encode("utf-8", "surrogatepass").decode("latin-1")  # as a server hands it on
        if genuine[-64:] in wire or "\n" in wire or "\r" in wire:
            continue  # may be genuine still, or no header that HTTP can carry
        response = door.client.post(
            "/paysafer/webhook", data=body, environ_overrides={environ_name(): wire}
        )
        assert (response.status_code, response.text) == (400, "Invalid signature"), repr(wire)
    assert not door.touched


@pytest.mark.parametrize("seed", range(3))
def test_damaged_but_signed_bodies_are_never_a_server_error(seed: int) -> None:
    """Authentic rubbish is set aside or stored; the route answers it either way."""
    rng, door = random.Random(seed), Door()
    for _ in range(700):
        body = bytearray(event_body(f"evt_{rng.randrange(5)}"))
        for _ in range(rng.randrange(1, 4)):
            body[rng.randrange(len(body))] = rng.randrange(256)
        response = door.deliver(bytes(body))
        assert response.status_code in (200, 400), bytes(body)


def environ_name() -> str:
    return "HTTP_" + "PaySafer-Signature".upper().replace("-", "_")
