"""Accounts whose API is not as assumed: paths, lists, words, fields, headers, keys."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from flask_paysafer import errors
from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient
from flask_paysafer.profile import ApiProfile

from .driving import LOST, OK, PUBLISHABLE_KEY, SECRET_KEY, World, answer, create, payment, refusal
from .recording import Recorder

BASE_URL = "https://api.paysafer.me/v1"


def profile(**sections: dict[str, Any]) -> ApiProfile:
    return ApiProfile.from_mapping(sections)


def recorded(**sections: dict[str, Any]) -> tuple[Any, Recorder]:
    paysafer = Recorder()
    made = PaySaferClient(
        SECRET_KEY,
        publishable_key=PUBLISHABLE_KEY,
        transport=paysafer,
        profile=profile(**sections),
    )
    return made, paysafer


def paths_of(client: Any, paysafer: Recorder) -> list[str]:
    client.payments.create(amount=1, currency="aed")
    client.payments.retrieve("pay_1")
    client.payments.refund("pay_1")
    client.payments.confirm("pay_1")
    client.customers.update("cus_1", name="A")
    client.webhook_endpoints.delete("we_1")
    client.tokens.create(card={"number": "4242424242424242", "exp_month": 1, "exp_year": 2030})
    return [request.url.path for request in paysafer.requests]


def test_calls_go_to_the_paths_of_the_account() -> None:
    client, paysafer = recorded(
        paths={
            "payments": "/charges",
            "customers": "/buyers",
            "webhook_endpoints": "/webhooks",
            "tokens": "/card-tokens",
            "confirm": "/charges/{id}/submit",
        }
    )
    assert paths_of(client, paysafer) == [
        "/v1/charges",
        "/v1/charges/pay_1",
        "/v1/charges/pay_1/refund",
        "/v1/charges/pay_1/submit",
        "/v1/buyers/cus_1",
        "/v1/webhooks/we_1",
        "/v1/card-tokens",
    ]


def test_hooks_see_the_route_of_the_account() -> None:
    records: list[Any] = []
    with PaySaferClient(
        SECRET_KEY,
        transport=Recorder(),
        hooks=[records.append],
        profile=profile(paths={"confirm": "/payments/{id}/submit"}),
    ) as client:
        client.payments.confirm("pay_1")
    assert (records[0].path, records[0].route) == (
        "/payments/pay_1/submit",
        "/payments/{id}/submit",
    )


def test_statuses_are_in_our_words_and_as_they_came() -> None:
    statuses = {"paid": "succeeded", "authorised": "requires_capture"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=payment(status="paid")))
    client = PaySaferClient(SECRET_KEY, transport=transport, profile=profile(statuses=statuses))
    found = client.payments.retrieve("pay_1")
    assert (found.status, found["status"]) == ("succeeded", "paid")
    assert repr(found) == "<Payment id='pay_1' status='succeeded'>"
    assert pickle.loads(pickle.dumps(found)).status == "succeeded"


def test_a_lost_answer_is_recovered_by_the_account_s_own_words() -> None:
    answers = [httpx.Response(500), httpx.Response(200, json=payment(status="paid"))]
    transport = httpx.MockTransport(lambda _: answers.pop(0))
    client = PaySaferClient(
        SECRET_KEY,
        transport=transport,
        profile=profile(statuses={"paid": "succeeded"}),
        max_retries=0,
    )
    assert client.payments.capture("pay_1").status == "succeeded"


def test_a_status_of_the_future_is_kept_and_shown() -> None:
    world = World()
    found = world.drive(create(), answer(200, payment(status="on_hold", hold={"until": 5})))
    assert (found.status, found["hold"]) == ("on_hold", {"until": 5})
    assert repr(found) == "<Payment id='pay_1' status='on_hold'>"


def test_fields_are_found_where_the_account_has_them() -> None:
    body = payment(
        challenge={"url": "https://bank.example/1"},
        refunds={"total": 500},
        source={"brand": "visa", "last4": "4242"},
        error={"why": "card_declined"},
    )
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    client = PaySaferClient(
        SECRET_KEY,
        transport=transport,
        profile=profile(
            fields={
                "challenge_url": "challenge.url",
                "amount_refunded": "refunds.total",
                "card_details": "source",
                "failure_reason": "error.why",
            }
        ),
    )
    found = client.payments.retrieve("pay_1")
    assert found.next_action is not None
    assert found.next_action.redirect_to_url.url == "https://bank.example/1"
    assert found.amount_refunded == 500
    assert found.failure_reason == "card_declined"
    assert found.payment_method_details is not None
    assert found.payment_method_details.card.last4 == "4242"


def test_parameters_have_the_names_of_the_account() -> None:
    client, paysafer = recorded(
        fields={"save_payment_method": "setup_future_use", "off_session": "mit.unattended"}
    )
    client.payments.create(amount=1, currency="aed", save_payment_method=True, off_session=True)
    assert paysafer.body == {
        "amount": 1,
        "currency": "aed",
        "setup_future_use": True,
        "mit": {"unattended": True},
    }


def test_a_parameter_that_the_account_does_not_have_is_an_error_that_names_the_key() -> None:
    client, paysafer = recorded(fields={"save_payment_method": ""})
    with pytest.raises(errors.ConfigurationError, match=r"fields\.save_payment_method is empty"):
        client.payments.create(amount=1, currency="aed", save_payment_method=True)
    assert paysafer.requests == []


def test_headers_have_the_names_of_the_account() -> None:
    world = World()
    own = profile(
        headers={
            "idempotency_key": "X-Request-Key",
            "replayed": "X-Replay",
            "version": "X-Version",
            "request_id": ["X-Trace"],
        }
    )
    replayed = refusal(422, x_replay="true", x_trace="t_9")
    world.environment.profile = own
    error = world.fail(create(), LOST, replayed, profile=own, api_version="2026-01-15")
    assert {"X-Request-Key", "X-Version"} <= set(world.headers())
    assert not {"Idempotency-Key", "PaySafer-Version"} & set(world.headers())
    assert (error.outcome, error.request_id) == ("rejected", "t_9")


def test_where_any_reuse_is_a_conflict_it_is_not_asked_again() -> None:
    world = World()
    world.environment.profile = profile(idempotency={"reuse": "conflict"})
    error = world.fail(create(), LOST, refusal(409))
    assert (type(error), error.outcome, error.attempts) == (errors.IdempotencyError, "unknown", 2)


@pytest.mark.parametrize(("form", "value", "wait"), [("seconds", "9", 9.0), ("epoch", "9", None)])
def test_the_reset_is_read_as_the_account_means_it(form: str, value: str, wait: Any) -> None:
    world = World(chance=0.0)
    world.environment.profile = profile(rate_limits={"reset": form})
    world.drive(create(), refusal(429, x_ratelimit_reset=value), OK)
    assert world.sleeps == [wait or 0.0]


class Listing(httpx.MockTransport):
    """A list of seven payments in pages of three, each answered by ``envelope``."""

    def __init__(self, envelope: Callable[[list[Any], int], Any], cursor: str = "after") -> None:
        self.urls: list[str] = []
        self._envelope, self._cursor = envelope, cursor
        super().__init__(self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        start = int(request.url.params.get(self._cursor, "pay_0").removeprefix("pay_"))
        items = [{"id": f"pay_{n}", "object": "payment"} for n in range(start + 1, 8)][:3]
        return httpx.Response(200, json=self._envelope(items, start))


def walk_blocking(transport: httpx.MockTransport, own: ApiProfile, **params: Any) -> list[str]:
    with PaySaferClient(SECRET_KEY, transport=transport, profile=own) as client:
        return [one.id for one in client.payments.list(**params)]


def walk_async(transport: httpx.MockTransport, own: ApiProfile, **params: Any) -> list[str]:
    async def walk() -> list[str]:
        async with AsyncPaySaferClient(SECRET_KEY, transport=transport, profile=own) as client:
            return [one.id async for one in client.payments.list(**params)]

    return asyncio.run(walk())


@pytest.fixture(params=[walk_blocking, walk_async], ids=["sync", "async"])
def walk(request: pytest.FixtureRequest) -> Callable[..., list[str]]:
    chosen: Callable[..., list[str]] = request.param
    return chosen


Walk = Callable[..., list[str]]
ALL = [f"pay_{n}" for n in range(1, 8)]


def test_an_answer_that_is_the_array_itself_ends_at_a_short_page(walk: Walk) -> None:
    transport = Listing(lambda items, _: items)
    own = profile(lists={"items": "", "has_more": "", "after": "after", "limit": "size"})
    assert walk(transport, own, limit=3) == ALL
    assert transport.urls[1] == f"{BASE_URL}/payments?size=3&after=pay_3"
    assert len(transport.urls) == 3


@pytest.mark.parametrize("end", [None, "", "absent"])
def test_a_cursor_that_is_told_is_followed_to_its_end(walk: Walk, end: Any) -> None:
    def envelope(items: list[Any], start: int) -> Any:
        meta = {"next": f"pay_{start + 3}"} if start < 6 else {"next": end}
        return {"results": items, "meta": {} if meta["next"] == "absent" else meta}

    own = profile(lists={"items": "results", "has_more": "", "next": "meta.next", "after": "after"})
    assert walk(Listing(envelope), own) == ALL


def test_the_last_page_s_own_cursor_ends_the_list(walk: Walk) -> None:
    def envelope(items: list[Any], start: int) -> Any:
        return {"data": items, "next": f"pay_{min(start + 3, 6)}"}

    own = profile(lists={"has_more": "", "next": "next", "after": "after"})
    assert walk(Listing(envelope), own) == ALL


def test_a_cursor_may_hold_slashes() -> None:
    asked: list[str] = []

    def answer_page(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params.get("starting_after", ""))
        following = "" if asked[-1] else "/c+a/b=="
        return httpx.Response(200, json={"data": [{"id": "pay_1"}], "next": following})

    own = profile(lists={"has_more": "", "next": "next"})
    assert walk_blocking(httpx.MockTransport(answer_page), own) == ["pay_1", "pay_1"]
    assert asked == ["", "/c+a/b=="]


@pytest.mark.parametrize("base", [BASE_URL, "/v1", ""])
def test_an_address_below_the_base_address_is_followed(walk: Walk, base: str) -> None:
    def envelope(items: list[Any], start: int) -> Any:
        path = f"{base}/payments" if base else ""
        return {"data": items, "links": {"next": f"{path}?after=pay_{start + 3}&x=%2F"}}

    transport = Listing(
        lambda items, start: envelope(items, start) if start < 6 else {"data": items}
    )
    own = profile(lists={"has_more": "", "next": "links.next"})
    assert walk(transport, own) == ALL
    assert transport.urls[1] == f"{BASE_URL}/payments?after=pay_3&x=%2F"


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/v1/payments?after=1",
        "https://api.paysafer.me.evil.example/v1/payments",
        "https://api.paysafer.me:444/v1/payments",
        "http://api.paysafer.me/v1/payments",
        "https://user@api.paysafer.me/v1/payments",
        "https://api.paysafer.me/v2/payments",
        "https://api.paysafer.me/v1/../admin?x=1",
        "https://api.paysafer.me/v1/%2e%2e/admin",
        "https://api.paysafer.me/v1",
        "//evil.example/v1/payments",
        "/admin?after=1",
    ],
)
def test_the_key_is_never_sent_elsewhere(walk: Walk, address: str) -> None:
    transport = Listing(lambda items, _: {"data": items, "next": address})
    own = profile(lists={"has_more": "", "next": "next"})
    with pytest.raises(errors.APIError, match="was not followed, for the API key") as caught:
        walk(transport, own)
    assert len(transport.urls) == 1
    assert caught.value.outcome == "rejected"


def test_bounds_in_time_have_the_names_of_the_account() -> None:
    client, paysafer = recorded(lists={"created_after": "created.gte"})
    client.payments.list(created={"gte": 5, "lt": 9})
    assert dict(paysafer.request.url.params) == {"created.gte": "5", "created.lt": "9"}
    client, paysafer = recorded(lists={"created_after": "since"})
    client.payments.list(created={"gte": 5})
    assert dict(paysafer.request.url.params) == {"since": "5"}
    with pytest.raises(ValueError, match="created takes gte alone"):
        client.payments.list(created={"lt": 5})


def test_a_wrong_profile_is_an_error_that_names_the_probe(walk: Walk) -> None:
    transport = Listing(lambda items, _: {"results": items, "has_more": False})
    with pytest.raises(errors.APIError, match="flask paysafer probe"):
        walk(transport, ApiProfile())


def test_the_default_profile_changes_no_byte() -> None:
    def sent(**options: Any) -> list[tuple[Any, ...]]:
        paysafer = Recorder()
        with PaySaferClient(SECRET_KEY, transport=paysafer, **options) as client:
            client.payments.create(amount=1, currency="aed", idempotency_key="k")
            client.payments.list(limit=5, created={"gte": 5})
        return [(r.method, str(r.url), r.headers.raw, r.content) for r in paysafer.requests]

    assert sent() == sent(profile=ApiProfile())
    assert json.loads(sent()[0][3]) == {"amount": 1, "currency": "aed"}
