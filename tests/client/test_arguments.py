"""What is refused before anything is sent, through the surface that merchants use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from .recording import Recorder


class Refuses:
    """Checks that a call is refused, and that nothing was sent before."""

    def __init__(self, paysafer: Recorder) -> None:
        self._paysafer = paysafer

    def __call__(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> str:
        """Return the message of the refusal."""
        with pytest.raises((TypeError, ValueError)) as caught:
            call(*args, **kwargs)
        assert self._paysafer.requests == []
        return str(caught.value)


@pytest.fixture
def refuses(paysafer: Recorder) -> Refuses:
    return Refuses(paysafer)


@pytest.mark.parametrize("amount", [15000.0, True, "15000", -1, 0, 15.5, [1], float("nan")])
def test_refuses_amounts_that_are_no_whole_minor_units(
    client: Any, refuses: Refuses, amount: Any
) -> None:
    assert "amount must be" in refuses(client.payments.create, amount=amount, currency="aed")
    assert "amount must be" in refuses(client.payments.refund, "pay_1", amount=amount)
    assert "amount must be" in refuses(client.payments.capture, "pay_1", amount=amount)


@pytest.mark.parametrize("currency", ["", "xyz", "aedd", "د.إ", "xau", 784, True, b"aed"])
def test_refuses_currencies_that_do_not_exist(client: Any, refuses: Refuses, currency: Any) -> None:
    assert "currency must be" in refuses(client.payments.create, amount=1, currency=currency)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        " ",
        ".",
        "..",
        "pay/1",
        "../customers",
        "pay_1/",
        "a\\b",
        "a\nb",
        "a\x00b",
        "x" * 256,
        None,
        5,
        b"pay_1",
    ],
)
def test_refuses_ids_that_would_address_something_else(
    client: Any, refuses: Refuses, wrong: Any
) -> None:
    for call in (
        client.payments.retrieve,
        client.payments.capture,
        client.payments.cancel,
        client.payments.refund,
        client.payments.confirm,
        client.customers.retrieve,
        client.customers.update,
        client.customers.delete,
        client.webhook_endpoints.retrieve,
        client.webhook_endpoints.delete,
    ):
        refuses(call, wrong)


@pytest.mark.parametrize("wrong", ["..", "a/b", ""])
def test_refuses_such_ids_as_arguments_too(client: Any, refuses: Refuses, wrong: str) -> None:
    refuses(client.payments.create, amount=1, currency="aed", customer=wrong)
    refuses(client.payments.create, amount=1, currency="aed", payment_method=wrong)
    refuses(client.payments.list, starting_after=wrong)


@pytest.mark.parametrize("key", ["", "a\nb", "ä", "x" * 256, " k", "a\0", "ключ"])
def test_refuses_keys_that_cannot_be_sent(client: Any, refuses: Refuses, key: str) -> None:
    message = refuses(client.payments.create, amount=1, currency="aed", idempotency_key=key)
    assert message.startswith("idempotency_key must be")
    refuses(client.payments.retrieve, "pay_1", idempotency_key=key)
    refuses(client.request, "POST", "/x", idempotency_key=key)


@pytest.mark.parametrize("key", [5, b"k", True])
def test_refuses_keys_that_are_no_text(client: Any, refuses: Refuses, key: Any) -> None:
    refuses(client.payments.refund, "pay_1", idempotency_key=key)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"timeout": "1"},
        {"timeout": True},
        {"deadline": 0},
        {"deadline": "x"},
        {"max_retries": -1},
        {"max_retries": 1.5},
        {"max_retries": True},
        {"headers": [("A", "b")]},
        {"headers": {"A": 1}},
        {"headers": {"A b": "c"}},
        {"headers": {"A": "b\r\nC: d"}},
        {"headers": {"A": "ä"}},
        {"headers": {"authorization": "Bearer x"}},
        {"headers": {"Idempotency-Key": "x"}},
        {"headers": {"Host": "x"}},
        {"headers": {"Content-Length": "0"}},
    ],
)
def test_refuses_options_that_make_no_sense(
    client: Any, refuses: Refuses, options: dict[str, Any]
) -> None:
    refuses(client.payments.retrieve, "pay_1", **options)
    refuses(client.payments.create, amount=1, currency="aed", **options)
    refuses(client.request, "GET", "/x", **options)
    refuses(client.with_options, **options)


def test_refuses_arguments_that_are_unknown_or_missing(client: Any, refuses: Refuses) -> None:
    unknown = "got an unexpected keyword argument 'ammount'"
    assert refuses(client.payments.create, ammount=1, currency="aed") == unknown
    missing = "missing required keyword argument 'currency'"
    assert refuses(client.payments.create, amount=1) == missing
    refuses(client.payments.retrieve, "pay_1", amount=1)
    refuses(client.payments.cancel, "pay_1", amount=1)
    refuses(client.payments.list, email="someone@example.com")
    refuses(client.webhook_endpoints.create)
    refuses(client.tokens.create)
    refuses(client.request, "GET", "/x", amount=1)


def test_takes_arguments_by_name_alone(client: Any, refuses: Refuses) -> None:
    refuses(client.payments.create, 1, "aed")
    refuses(client.payments.list, 10)
    refuses(client.payments.capture, "pay_1", 5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", 5),
        ("description", "\ud800"),
        ("metadata", [("a", "b")]),
        ("metadata", {"a": 1}),
        ("metadata", {1: "a"}),
        ("confirm", "false"),
        ("capture_method", 1),
        ("receipt_email", 1),
        ("return_url", "/back"),
        ("return_url", "javascript:alert(1)"),
    ],
)
def test_refuses_fields_of_another_kind(
    client: Any, refuses: Refuses, name: str, value: Any
) -> None:
    assert name in refuses(client.payments.create, amount=1, currency="aed", **{name: value})


@pytest.mark.parametrize("limit", [0, 101, -1, "10", True, 1.0])
def test_refuses_pages_of_another_size(client: Any, refuses: Refuses, limit: Any) -> None:
    refuses(client.customers.list, limit=limit)


@pytest.mark.parametrize(
    "created",
    [5, {}, {"after": 1}, {"gte": "x"}, {"gte": datetime(2026, 1, 1)}],  # noqa: DTZ001
)
def test_refuses_bounds_of_time_that_are_none(client: Any, refuses: Refuses, created: Any) -> None:
    refuses(client.payments.list, created=created)


@pytest.mark.parametrize("events", ["payment.completed", [], [1], {"a": 1}.keys()])
def test_refuses_event_types_that_are_no_list(client: Any, refuses: Refuses, events: Any) -> None:
    refuses(client.webhook_endpoints.create, url="https://shop.example", enabled_events=events)


@pytest.mark.parametrize(
    "card",
    [
        "4242424242424242",
        {},
        {"number": 4242424242424242, "exp_month": 1, "exp_year": 2030},
        {"number": "4242424242424242", "exp_month": "1", "exp_year": 2030},
        {"number": "4242424242424242", "exp_month": 1, "exp_year": 2030, "pin": "1"},
    ],
)
def test_refuses_cards_without_quoting_them(client: Any, refuses: Refuses, card: Any) -> None:
    assert "4242" not in refuses(client.tokens.create, card=card)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "//evil.example/x",
        "https://evil.example/",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a?b=c",
        "/a#b",
        "/a b",
        "/a\nb",
        "/ä",
        "/%2e%2e/b",
        "/a%2fb",
        "/a\\b",
        None,
        b"/a",
    ],
)
def test_free_requests_never_leave_the_base_url(client: Any, refuses: Refuses, path: Any) -> None:
    refuses(client.request, "GET", path)


@pytest.mark.parametrize("method", ["", "CONNECT", "TRACE", "HEAD", "GET /x", "GÉT", None])
def test_free_requests_use_methods_that_exist(client: Any, refuses: Refuses, method: Any) -> None:
    refuses(client.request, method, "/x")


@pytest.mark.parametrize("body", [float("nan"), object(), {"a": {1, 2}}])
def test_free_requests_send_json_alone(client: Any, refuses: Refuses, body: Any) -> None:
    refuses(client.request, "POST", "/x", json=body)


def test_refuses_extra_parameters_that_it_knows_or_that_are_none(
    client: Any, refuses: Refuses
) -> None:
    known = refuses(client.payments.create, amount=1, currency="aed", extra={"amount": 5})
    assert known == "extra must not hold amount, which this call takes as amount=…."
    refuses(client.payments.list, extra={"limit": 5})
    refuses(client.payments.create, amount=1, currency="aed", extra=[("a", 1)])
    refuses(client.payments.create, amount=1, currency="aed", extra={5: 1})
    refuses(client.payments.create, amount=1, currency="aed", extra={"a": object()})
    refuses(client.request, "POST", "/x", json=[1], extra={"a": 1})
