"""The description and the API are held together, and both to the file in the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import positive_data_acceptance

from flask_paysafer.sandbox import Sandbox
from flask_paysafer.sandbox.description import describe, event_schema
from flask_paysafer.sandbox.engine import LIMITS
from flask_paysafer.sandbox.fields import EVENT_TYPES
from flask_paysafer.sandbox.routes import ROUTES, Route

pytestmark = pytest.mark.slow

KEY = {"Authorization": "Bearer sk_test_acmeshop1"}
BOUNDED = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The API as its description says, without its rate limit."""
    monkeypatch.setitem(LIMITS, "test", 10**9)
    with Sandbox(clock_rate=0) as sandbox:
        sandbox.seed()
        yield schemathesis.openapi.from_wsgi("/openapi.json", sandbox.wsgi_app)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: str(mode.value))
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: str(route.name))
def test_api_answers_as_described(described: Any, route: Route, mode: GenerationMode) -> None:
    operation = described.find_operation_by_id(route.name)

    @given(case=operation.as_strategy(generation_mode=mode))
    @BOUNDED
    def check(case: schemathesis.Case[Any]) -> None:
        answer = case.call_and_validate(headers=KEY, excluded_checks=[positive_data_acceptance])
        if mode is GenerationMode.POSITIVE and answer.status_code == 400:
            assert has_rule_beyond_its_schema(case, answer.json()["error"])

    check()


def has_rule_beyond_its_schema(case: schemathesis.Case[Any], error: dict[str, Any]) -> bool:
    """Tell whether no schema could have said what is wrong.

    Something must exist, or not be used together with something else; and to JSON Schema,
    unlike to money, 100.0 is an integer.
    """
    value = case.body.get(error["param"]) if isinstance(case.body, dict) else None
    return (
        error["code"] == "resource_missing"
        or isinstance(value, float)
        or error["param"]
        in {
            "ending_before",
            "payment_method",
            "card[number]",
            "card[exp_month]",
            "card[exp_year]",
        }
    )


def test_docs_hold_the_description() -> None:
    """Write it anew with: python -m flask_paysafer.sandbox --describe > docs/openapi.json."""
    assert json.loads((DOCS / "openapi.json").read_text()) == describe()


def test_sandbox_serves_the_description() -> None:
    with Sandbox() as sandbox:
        answer = sandbox.wsgi_app.test_client().get("/openapi.json")  # type: ignore[attr-defined]  # it is Flask's
    assert answer.get_json() == describe()


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_event_is_as_described(event_type: str) -> None:
    with Sandbox() as sandbox:
        event = sandbox.trigger(event_type, account="acmeshop1")
    document = {**event_schema(event_type), "components": describe()["components"]}
    Draft202012Validator(document).validate(event)
