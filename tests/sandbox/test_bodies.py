from __future__ import annotations

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.pipeline import MAX_BODY_BYTES

from .conftest import types


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"amount=15000",
        b'{"amount": NaN, "currency": "aed"}',
        b'{"amount": 15000, "amount": 1, "currency": "aed"}',
        b'{"amount": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff\xfe{}",
        '{"amount": 15000}'.encode("utf-16"),
        b'{"amount": 15000, "currency": "aed"} trailing',
    ],
)
def test_what_is_not_json_is_refused(client: httpx.Client, sandbox: Sandbox, body: bytes) -> None:
    answer = client.post("/payments", content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "json_invalid")
    assert types(sandbox) == []


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"15000", b"true"])
def test_json_that_is_no_object_is_refused(client: httpx.Client, body: bytes) -> None:
    answer = client.post("/payments", content=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "parameter_invalid", "body")


def test_no_body_is_an_empty_object(client: httpx.Client) -> None:
    assert client.post("/customers").status_code == 200


def test_huge_body_is_refused_unread(client: httpx.Client) -> None:
    answer = client.post("/customers", content=b"x" * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_half_a_surrogate_pair_is_kept_as_it_came(client: httpx.Client) -> None:
    answer = client.post("/customers", content=rb'{"name": "\ud800"}')
    assert rb"\ud800" in answer.content
