"""Error trackers send the locals of every frame: none of ours holds what is secret or personal.

They go into dicts, lists and tuples and print everything else by its ``repr``; and they
follow the errors that another one came from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from types import FrameType
from typing import Any

import httpx
import pytest

from flask_paysafer.client import AsyncPaySaferClient, PaySaferClient

KEY, PUBLISHABLE = "sk_live_51Hsecretsecret", "pk_live_51Hpublishable"
CARD, CVC, EMAIL = "4242424242424242", "987", "customer@example.com"
SECRETS = (KEY, PUBLISHABLE, CARD, f"'{CVC}'", EMAIL)

PAYMENT = {"amount": 15000, "currency": "aed", "receipt_email": EMAIL}
CARD_DATA = {"number": CARD, "exp_month": 1, "exp_year": 2040, "cvc": CVC}


def frames(error: BaseException | None) -> Iterator[FrameType]:
    while error is not None:
        traceback = error.__traceback__
        while traceback is not None:
            if "/flask_paysafer/" in traceback.tb_frame.f_code.co_filename:
                yield traceback.tb_frame
            traceback = traceback.tb_next
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    if depth < 6 and isinstance(value, Mapping):
        for name, inner in value.items():
            yield from texts(name, depth + 1)
            yield from texts(inner, depth + 1)
    elif depth < 6 and isinstance(value, (Sequence, Set)) and not isinstance(value, (str, bytes)):
        for inner in value:
            yield from texts(inner, depth + 1)
    else:
        yield repr(value)


def leaks(error: BaseException) -> list[str]:
    found = [
        f"{frame.f_code.co_qualname}: {name}"
        for frame in frames(error)
        for name, value in frame.f_locals.items()
        for text in texts(value)
        if any(secret in text for secret in SECRETS)
    ]
    found += [f"args: {text}" for text in texts(error.args) if any(s in text for s in SECRETS)]
    return found


def refusing(status: int) -> httpx.MockTransport:
    body = {"error": {"message": f"No: {EMAIL} {CARD} {KEY}", "payment": {"id": EMAIL}}}
    return httpx.MockTransport(lambda _: httpx.Response(status, json=body))


def failing(error: Exception) -> httpx.MockTransport:
    def handle(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(handle)


def answering(body: Any) -> httpx.MockTransport:
    return httpx.MockTransport(lambda _: httpx.Response(200, json=body))


TRANSPORTS = [
    refusing(400),
    refusing(402),
    refusing(409),
    refusing(429),
    refusing(500),
    failing(httpx.ConnectError("no")),
    failing(httpx.ReadTimeout("no")),
    failing(RuntimeError("of the transport itself")),
    answering([]),
    answering({"id": 5, "email": EMAIL}),
    answering({"object": "list", "data": [{"email": EMAIL}], "has_more": False}),
]
Call = Callable[[Any], Any]
Run = Callable[[Call, httpx.MockTransport], None]
CALLS: dict[str, Call] = {
    "create payment": lambda c: c.payments.create(**PAYMENT),
    "capture": lambda c: c.payments.capture("pay_1"),
    "create customer": lambda c: c.customers.create(email=EMAIL, name="A"),
    "update customer": lambda c: c.customers.update("cus_1", email=EMAIL),
    "create token": lambda c: c.tokens.create(card=CARD_DATA),
    "list": lambda c: c.customers.list(extra={"email": EMAIL}),
    "request": lambda c: c.request("POST", "/people", json={"email": EMAIL}),
    "request with a query": lambda c: c.request("GET", "/people", params={"email": EMAIL}),
    "extra": lambda c: c.payments.create(amount=1, currency="aed", extra={"email": EMAIL}),
}
WRONG: dict[str, Call] = {
    "amount": lambda c: c.payments.create(**{**PAYMENT, "amount": "1"}),
    "unknown": lambda c: c.payments.create(**PAYMENT, receipt=EMAIL),
    "metadata": lambda c: c.payments.create(**PAYMENT, metadata={"email": 5, "x": EMAIL}),
    "surrogate": lambda c: c.customers.create(email=EMAIL + "\ud800"),
    "card": lambda c: c.tokens.create(card={**CARD_DATA, "pin": CVC}),
    "card's month": lambda c: c.tokens.create(card={**CARD_DATA, "exp_month": "1"}),
    "positional": lambda c: c.tokens.create(CARD_DATA),
    "key": lambda c: c.payments.create(**PAYMENT, idempotency_key=EMAIL + "\n"),
    "headers": lambda c: c.payments.create(**PAYMENT, headers={"X": EMAIL + "\n"}),
    "id": lambda c: c.customers.update(f"{EMAIL}/..", name="A"),
    "extra": lambda c: c.payments.create(**PAYMENT, extra={"amount": EMAIL}),
    "json": lambda c: c.request("POST", "/people", json={"email": {EMAIL}}),
    "list": lambda c: c.customers.list(limit=0, extra={"email": EMAIL}),
}


def call_blocking(call: Call, transport: httpx.MockTransport) -> None:
    with PaySaferClient(
        KEY, publishable_key=PUBLISHABLE, transport=transport, max_retries=0
    ) as client:
        call(client)


def call_async(call: Call, transport: httpx.MockTransport) -> None:
    async def run() -> None:
        async with AsyncPaySaferClient(
            KEY, publishable_key=PUBLISHABLE, transport=transport, max_retries=0
        ) as client:
            await call(client)

    asyncio.run(run())


def error_of(run: Run, call: Call, transport: httpx.MockTransport) -> Exception | None:
    try:
        run(call, transport)
    except Exception as error:  # noqa: BLE001 (each fails in its own way)
        return error
    return None


@pytest.mark.parametrize("run", [call_blocking, call_async], ids=["sync", "async"])
@pytest.mark.parametrize("name", CALLS)
def test_no_frame_of_a_failed_call_holds_what_is_secret(name: str, run: Run) -> None:
    ended = [error_of(run, CALLS[name], transport) for transport in TRANSPORTS]
    failed = [error for error in ended if error is not None]
    assert len(failed) >= len(TRANSPORTS) - 2  # some answers are none but to some calls
    for error in failed:
        assert leaks(error) == []


@pytest.mark.parametrize("run", [call_blocking, call_async], ids=["sync", "async"])
@pytest.mark.parametrize("name", WRONG)
def test_no_frame_of_a_wrong_argument_holds_it(name: str, run: Run) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        run(WRONG[name], refusing(400))
    assert leaks(caught.value) == []


@pytest.mark.parametrize("cls", [PaySaferClient, AsyncPaySaferClient])
@pytest.mark.parametrize(
    "wrong",
    [
        {"secret_key": PUBLISHABLE},
        {"publishable_key": KEY},
        {"publishable_key": "pk_test_51Hpublishable"},
        {"base_url": f"https://{KEY}@api.paysafer.me/v1"},
        {"timeout": "10"},
        {"max_retries": -1},
        {"hooks": [5]},
        {"rate_reserve": 2},
        {"api_version": KEY + "\n"},
        {"transport": KEY},
        {"profile": {"paths": {"payments": KEY}}},
        {"profile": 5},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_no_frame_of_a_wrong_setting_holds_a_key(cls: Any, wrong: dict[str, Any]) -> None:
    settings = {"secret_key": KEY, "publishable_key": PUBLISHABLE} | wrong
    with pytest.raises(Exception) as caught:
        cls(**settings)
    assert leaks(caught.value) == []


def test_no_frame_of_derived_settings_holds_a_header() -> None:
    client: Any = PaySaferClient(KEY)
    with pytest.raises(ValueError, match="headers") as caught:
        client.with_options(headers={"X-Shop": EMAIL + "\n"})
    assert leaks(caught.value) == []


def test_a_frame_that_holds_a_secret_would_be_found() -> None:
    """The counter-check: the search does find what it looks for."""
    assert list(texts({"a": [(EMAIL,)]})) == ["'a'", repr(EMAIL)]
