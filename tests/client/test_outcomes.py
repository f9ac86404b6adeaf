from __future__ import annotations

import pytest

from flask_paysafer import errors
from flask_paysafer.client.operation import AttemptResult

from .driving import (
    LOST,
    OK,
    REPLAYED_DECLINE,
    TIMED_OUT,
    UNSENT,
    World,
    answer,
    create,
    refusal,
    retrieve,
)


@pytest.mark.parametrize(
    ("reply", "cls", "outcome"),
    [
        (LOST, errors.APIConnectionError, "unknown"),
        (TIMED_OUT, errors.APITimeoutError, "unknown"),
        (UNSENT, errors.APIConnectionError, "not_sent"),
        (refusal(400), errors.InvalidRequestError, "rejected"),
        (refusal(401), errors.AuthenticationError, "rejected"),
        (refusal(402), errors.CardError, "rejected"),
        (refusal(403), errors.APIError, "rejected"),
        (refusal(404), errors.NotFoundError, "rejected"),
        (refusal(409), errors.IdempotencyError, "rejected"),
        (refusal(422), errors.InvalidRequestError, "rejected"),
        (refusal(429), errors.RateLimitError, "rejected"),
        (refusal(500), errors.ServerError, "unknown"),
        (refusal(503), errors.ServerError, "unknown"),
        (refusal(101), errors.APIError, "unknown"),
        (refusal(300), errors.APIError, "rejected"),
        (refusal(302), errors.APIError, "rejected"),
        (refusal(303), errors.APIError, "unknown"),
    ],
)
def test_outcome_of_a_write(
    reply: AttemptResult, cls: type[errors.PaySaferError], outcome: str
) -> None:
    error = World().fail(create(idempotency_key="k1"), reply, max_retries=0)
    assert type(error) is cls
    assert (error.outcome, error.idempotency_key, error.attempts) == (outcome, "k1", 1)


@pytest.mark.parametrize("reply", [LOST, TIMED_OUT, refusal(500), answer(200, b"<html>")])
def test_a_read_changed_nothing_however_it_ends(reply: AttemptResult) -> None:
    assert World().fail(retrieve(), reply, max_retries=0).outcome == "rejected"


@pytest.mark.parametrize("doubtful", [LOST, TIMED_OUT, refusal(500)])
@pytest.mark.parametrize(
    "later",
    [UNSENT, refusal(400), refusal(401), refusal(404), refusal(422), refusal(302)],
    ids=["unsent", "400", "401", "404", "422", "302"],
)
def test_an_unknown_outcome_stays_unknown_through_later_refusals(
    doubtful: AttemptResult, later: AttemptResult
) -> None:
    assert World().fail(create(), doubtful, later, max_retries=1).outcome == "unknown"


def test_an_unknown_outcome_stays_unknown_through_a_rate_limit() -> None:
    error = World().fail(create(), LOST, refusal(429), UNSENT)
    assert (type(error), error.outcome) == (errors.APIConnectionError, "unknown")


@pytest.mark.parametrize(
    "replies",
    [
        (LOST, refusal(402)),
        (LOST, REPLAYED_DECLINE),
        (refusal(500), refusal(422, idempotent_replayed="true")),
        (LOST, refusal(409), REPLAYED_DECLINE),
    ],
)
def test_the_key_s_own_result_settles_an_unknown_outcome(
    replies: tuple[AttemptResult, ...],
) -> None:
    assert World().fail(create(), *replies).outcome == "rejected"


def test_not_sent_stays_not_sent_through_all_attempts() -> None:
    assert World().fail(create(), UNSENT, UNSENT, UNSENT).outcome == "not_sent"


@pytest.mark.parametrize("before", [(), (UNSENT,), (refusal(429),)])
def test_a_conflict_without_a_doubtful_attempt_is_another_call_s(
    before: tuple[AttemptResult, ...],
) -> None:
    error = World().fail(create(), *before, refusal(409))
    assert type(error) is errors.IdempotencyError
    assert error.outcome == "rejected"


def test_a_conflict_after_a_doubtful_attempt_is_asked_again_with_the_same_key() -> None:
    world = World()
    world.drive(create(), LOST, refusal(409), OK)
    assert world.headers(0)["Idempotency-Key"] == world.headers(2)["Idempotency-Key"]
    assert world.sends[0].body == world.sends[2].body


def test_a_conflict_that_stays_after_a_doubtful_attempt_is_unknown() -> None:
    error = World().fail(create(), LOST, refusal(409), refusal(409))
    assert (type(error), error.outcome) == (errors.IdempotencyError, "unknown")
