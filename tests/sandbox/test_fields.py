"""Every field of every call refuses every wrong type, and stores nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.engine import LIMITS
from flask_paysafer.sandbox.fields import (
    AnyObject,
    Choice,
    Flag,
    Integer,
    Kind,
    Number,
    Record,
    Several,
    StringMap,
    Text,
)
from flask_paysafer.sandbox.routes import ROUTES, Route

from .conftest import pay

WITH_BODY = [route for route in ROUTES if route.body is not None]
FIELDS = [(route, name) for route in WITH_BODY if route.body for name in route.body.fields]
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "false": False,
    "0": 0,
    "-1": -1,
    "1.5": 1.5,
    "huge": 10**30,
    "text": "text",
    "no text": "",
    "list": [],
    "list of lists": [[]],
    "object": {},
    "nested": {"a": {"b": 1}},
}
FITTING: dict[type[Any], set[str]] = {
    Integer: set(),
    Flag: {"true", "false"},
    Text: {"text", "no text"},
    Choice: set(),
    StringMap: {"object"},
    Several: set(),
    Record: set(),
}
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LIMITS, "test", 10**9)


def good_body(route: Route) -> dict[str, Any]:
    bodies: dict[str, dict[str, Any]] = {
        "createPayment": {"amount": 15000, "currency": "aed"},
        "createWebhookEndpoint": {"url": "http://127.0.0.1:5000/hook"},
        "createToken": {
            "card": {
                "number": "4242424242424242",
                "exp_month": 12,
                "exp_year": 2030,
                "cvc": "123",
            }
        },
    }
    return dict(bodies.get(route.name, {}))


def send(client: httpx.Client, route: Route, body: Any) -> httpx.Response:
    path = route.path.removeprefix("/v1")
    if "<id>" in path:
        made = client.post("/customers", json={}) if "customers" in path else pay(client, card=None)
        path = path.replace("<id>", made.json()["id"])
    return client.request(route.method, path, json=body)


@pytest.mark.parametrize(("route", "name"), FIELDS, ids=lambda part: getattr(part, "name", part))
def test_wrong_type_is_refused_by_name(client: httpx.Client, route: Route, name: str) -> None:
    assert route.body is not None
    fitting = FITTING[type(route.body.fields[name])]
    for label, value in VALUES.items():
        if label in fitting:
            continue
        answer = send(client, route, good_body(route) | {name: value})
        error = answer.json()["error"]
        assert (answer.status_code, error["type"]) == (400, "invalid_request_error"), label
        assert error["code"] in {"parameter_invalid", "parameter_missing", "parameter_unknown"}
        assert error["param"].startswith(name), label


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: str(route.name))
def test_any_json_is_answered_and_never_with_5xx(
    sandbox: Sandbox, client: httpx.Client, route: Route
) -> None:
    assert route.body is not None
    names = st.sampled_from(list(route.body.fields) or ["x"])

    @given(name=names, value=JSON_VALUES, whole=st.booleans())
    @settings(
        max_examples=40,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def check(name: str, value: Any, whole: bool) -> None:
        answer = send(client, route, value if whole else good_body(route) | {name: value})
        assert answer.status_code in {200, 400, 402, 422}
        if answer.status_code == 400:
            assert "param" in answer.json()["error"]

    check()


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: str(route.name))
def test_unknown_parameter_is_refused(client: httpx.Client, route: Route) -> None:
    answer = send(client, route, good_body(route) | {"nonsense": 1})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "parameter_unknown")
    assert error["param"] == "nonsense"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_unknown_query_parameter_is_refused(client: httpx.Client, route: Route) -> None:
    path = route.path.removeprefix("/v1").replace("<id>", "some")
    body = good_body(route) if route.body else None
    answer = client.request(route.method, path, params={"nonsense": "1"}, json=body)
    assert answer.json()["error"]["code"] == "parameter_unknown"


@pytest.mark.parametrize("name", ["amount", "currency"])
def test_missing_parameter_is_named_in_the_documented_words(
    client: httpx.Client, name: str
) -> None:
    body = {"amount": 15000, "currency": "aed"}
    del body[name]
    assert client.post("/payments", json=body).json()["error"] == {
        "type": "invalid_request_error",
        "code": "parameter_missing",
        "message": f"Missing required parameter: {name}",
        "param": name,
        "doc_url": "https://docs.paysafer.me/errors#parameter_missing",
    }


@pytest.mark.parametrize(
    ("metadata", "param"),
    [
        ({"": "x"}, "metadata"),
        ({"k" * 41: "x"}, "metadata"),
        ({"k": "x" * 501}, "metadata[k]"),
        ({"k": 1}, "metadata[k]"),
        ({"k": None}, "metadata[k]"),
        ({"k": ["x"]}, "metadata[k]"),
        ({str(number): "x" for number in range(51)}, "metadata"),
    ],
)
def test_metadata_holds_few_short_strings(
    client: httpx.Client, metadata: dict[str, Any], param: str
) -> None:
    error = pay(client, metadata=metadata).json()["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid", param)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("currency", "AED"),
        ("currency", "zzz"),
        ("currency", "aedd"),
        ("amount", 0),
        ("amount", 10**11),
        ("receipt_email", "nobody"),
        ("receipt_email", "a@b c"),
        ("return_url", "javascript:alert(1)"),
        ("return_url", "//example.com"),
        ("return_url", "http://"),
        ("capture_method", "later"),
        ("description", "x" * 1001),
        ("payment_method", "card_visa"),
        ("customer", "pay_1"),
    ],
)
def test_wrong_value_is_refused(client: httpx.Client, name: str, value: Any) -> None:
    error = pay(client, **{name: value}).json()["error"]
    assert (error["code"], error["param"]) == ("parameter_invalid", name)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(AnyObject(), []), (Number(10), True), (Number(10), "1"), (Number(10), 11)],
)
def test_other_kinds_refuse_too(kind: Kind, value: Any) -> None:
    from flask_paysafer.sandbox import ApiError

    with pytest.raises(ApiError, match="Invalid value for field"):
        kind.check(value, "field")
