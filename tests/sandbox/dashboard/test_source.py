import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_paysafer.sandbox.dashboard.copies import WIDTH, as_source

PAYMENT = "pay_" + "a1" * 12
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=20,
)


@given(values)
def test_the_source_means_the_value(value: Any) -> None:
    assert ast.literal_eval(as_source(value)) == value


def test_short_values_stay_on_a_line_and_long_ones_are_wrapped() -> None:
    assert as_source({"amount": 1, "currency": "aed"}) == '{"amount": 1, "currency": "aed"}'
    lines = as_source({"list": list(range(40)), "text": "x"}, indent=4, used=12).splitlines()
    assert (lines[0], lines[1], lines[-1]) == ("{", '        "list": [', "    }")
    assert max(map(len, lines)) <= WIDTH


@pytest.mark.parametrize("text", [PAYMENT, f"/payments/{PAYMENT}/refund", f"{{{PAYMENT}}} \"'\\"])
def test_ids_become_the_expression_that_stands_for_them(text: str) -> None:
    source = as_source({"id": text}, {PAYMENT: "answer['id']"})
    assert PAYMENT not in source
    assert eval(source, {"answer": {"id": PAYMENT}}) == {"id": text}
