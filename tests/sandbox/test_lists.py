from __future__ import annotations

from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox


@pytest.fixture
def ids(client: httpx.Client, sandbox: Sandbox) -> list[str]:
    """Twelve customers, a minute apart, newest first."""
    made = []
    for number in range(12):
        made.append(client.post("/customers", json={"name": str(number)}).json()["id"])
        sandbox.advance(60)
    return made[::-1]


def listed(client: httpx.Client, **query: Any) -> tuple[list[str], bool]:
    page = client.get("/customers", params=query).raise_for_status().json()
    assert page["object"] == "list"
    return [customer["id"] for customer in page["data"]], page["has_more"]


def test_ten_newest_come_first(client: httpx.Client, ids: list[str]) -> None:
    assert listed(client) == (ids[:10], True)


def test_pages_follow_each_other(client: httpx.Client, ids: list[str]) -> None:
    assert listed(client, limit=5, starting_after=ids[4]) == (ids[5:10], True)
    assert listed(client, limit=5, starting_after=ids[9]) == (ids[10:], False)
    assert listed(client, limit=5, starting_after=ids[11]) == ([], False)


def test_pages_go_backwards(client: httpx.Client, ids: list[str]) -> None:
    assert listed(client, limit=5, ending_before=ids[8]) == (ids[3:8], True)
    assert listed(client, limit=5, ending_before=ids[3]) == (ids[:3], False)


def test_cursor_survives_its_object(client: httpx.Client, ids: list[str]) -> None:
    client.delete(f"/customers/{ids[4]}").raise_for_status()
    assert listed(client, limit=2, starting_after=ids[4]) == (ids[5:7], True)
    assert ids[4] not in listed(client, limit=100)[0]


def test_created_filters(client: httpx.Client, ids: list[str]) -> None:
    at = client.get(f"/customers/{ids[5]}").json()["created"]
    assert listed(client, **{"created[gte]": at}) == (ids[:6], False)
    assert listed(client, **{"created[gt]": at}) == (ids[:5], False)
    assert listed(client, **{"created[lte]": at}) == (ids[5:], False)
    assert listed(client, **{"created[lt]": at, "limit": 3}) == (ids[6:9], True)


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ({"limit": "0"}, "parameter_invalid", "limit"),
        ({"limit": "101"}, "parameter_invalid", "limit"),
        ({"limit": "ten"}, "parameter_invalid", "limit"),
        ({"limit": ["1", "2"]}, "parameter_invalid", "limit"),
        ({"limit": "9" * 30}, "parameter_invalid", "limit"),
        ({"starting_after": "cus_nobody"}, "resource_missing", "starting_after"),
        ({"ending_before": "cus_nobody"}, "resource_missing", "ending_before"),
        ({"starting_after": "a", "ending_before": "b"}, "parameter_invalid", "ending_before"),
        ({"created[gte]": "yesterday"}, "parameter_invalid", "created[gte]"),
        ({"created[from]": "1"}, "parameter_unknown", "created[from]"),
        ({"offset": "1"}, "parameter_unknown", "offset"),
    ],
)
def test_wrong_query_is_refused(
    client: httpx.Client, query: dict[str, Any], code: str, param: str
) -> None:
    answer = client.get("/customers", params=query)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
