from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flask_paysafer import events
from flask_paysafer.errors import InvalidPayloadError

TEXT = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from([":", '":', '" :', "{"])
VALUES = st.recursive(
    TEXT | st.integers() | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(
    VALUES,
    st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t"), (",", "\r\n: ")]),
    st.booleans(),
)
def test_reads_what_any_writer_of_json_wrote(
    value: Any, separators: tuple[str, str], ensure_ascii: bool
) -> None:
    text = json.dumps(value, separators=separators, ensure_ascii=ensure_ascii)
    assert events.read_json(text.encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a" :1,"a":1}',
        '{"a"\n:1,"a"\t:1}',
        '{"a":1,"\\u0061":2}',
        '{"a":{"b":1,"b":2}}',
        '{"a":[{"b":1},{"b":1,"b":2}]}',
        '{"a":{"b":1},"a":2}',
        '[{"a":1,"a":2}]',
        '  {"a":1,"a":2}',
        '{"a":":","a":"::"}',
        '{"a":"\\":","a" :2}',
        '{"a":1,"a" :":"}',
        '{"" :1,"":2}',
        '{"a\\u003ab":1,"a\\u003ab" :2}',
    ],
)
def test_refuses_a_key_that_is_given_twice_however_it_is_written(text: str) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        events.read_json(text.encode())
    assert caught.value.message == "The payload can't be read: it gives a key twice."


@given(st.dictionaries(TEXT, TEXT, min_size=1, max_size=4), st.data())
def test_refuses_a_key_twice_whatever_stands_around_it(
    fields: dict[str, str], data: st.DataObject
) -> None:
    pairs = [f"{json.dumps(key)}{data.draw(SPACE)}:{json.dumps(fields[key])}" for key in fields]
    twice = data.draw(st.sampled_from(pairs))
    with pytest.raises(InvalidPayloadError, match="it gives a key twice"):
        events.read_json(f"{{{','.join([*pairs, twice])}}}".encode())


SPACE = st.sampled_from(["", " ", "\n", "\t\r"])


def nested(depth: int, opens: str = "[", closes: str = "]") -> bytes:
    return (opens * depth + closes * depth).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it is not JSON"),
        (b"{", "it is not JSON"),
        (b'{"a":1}}', "it is not JSON"),
        (b'{"a":1} x', "it is not JSON"),
        (b'{"a":NaN}', "it holds NaN or Infinity, which are no JSON"),
        (b'{"a":-Infinity}', "it holds NaN or Infinity, which are no JSON"),
        (b'{"a":1e999}', "it holds a number beyond all bounds"),
        (b'{"a":' + b"9" * 5000 + b"}", "it is not JSON"),
        (nested(events.MAX_DEPTH + 1), "it is nested too deep"),
        (nested(100_000), "it is nested too deep"),
        (b'{"a":' * 100 + b"[]" + b"}" * 100, "it is nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "it is nested too deep"),
    ],
)
def test_refuses_what_is_no_json_or_goes_too_deep(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        events.read_json(body)
    assert caught.value.message == f"The payload can't be read: {reason}."


def test_the_greatest_depth_is_allowed() -> None:
    assert events.read_json(nested(events.MAX_DEPTH))


def test_many_objects_that_lie_side_by_side_are_not_deep() -> None:
    body = json.dumps({"a": [{} for _ in range(1000)]}).encode()
    assert len(events.read_json(body)["a"]) == 1000


@pytest.mark.parametrize("body", [b'{"a":"\xff"}', b"\xff\xfe{\x00}\x00", b'{"a":"\\ud800"}'])
def test_refuses_what_no_text_could_hold(body: bytes) -> None:
    with pytest.raises(InvalidPayloadError) as caught:
        events.read_json(body)
    assert caught.value.message == "The payload is not UTF-8 text."


@pytest.mark.parametrize("body", [b' {"a": 1}\n', b'{"a": 1}\r\n', b"[1]", b'"text"', b"null"])
def test_reads_white_space_around_and_what_is_no_object(body: bytes) -> None:
    assert events.read_json(body) == json.loads(body)
