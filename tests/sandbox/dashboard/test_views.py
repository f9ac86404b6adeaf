from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox, WebhookResponse

from ..conftest import client_of, pay
from ..shop import Shop
from .conftest import Feed

FEED = "/_sandbox/dashboard/feed"


class _Addresses(HTMLParser):
    """Collects what a page loads, and what it must not have inline."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "link"}:
            self.loads.append(given.get("src") or given.get("href") or "")
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)
        self.inline += [name for name in given if name == "style" or name.startswith("on")]


def test_the_page_loads_only_its_own_files(dashboard: httpx.Client) -> None:
    page = dashboard.get("/")
    found = _Addresses()
    found.feed(page.text)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert found.inline == []
    assert len(found.loads) >= 5
    for address in found.loads:
        assert address.startswith("/dashboard/")
        assert dashboard.get(address).status_code == 200


def test_every_script_that_another_imports_is_there(dashboard: httpx.Client) -> None:
    for name in ("actions", "api", "details", "dialogs", "dom", "format", "lists"):
        answer = dashboard.get(f"/dashboard/{name}.js")
        assert answer.headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/", FEED, "/dashboard/theme.css", "/_sandbox/dashboard/copy/session.py"]
)
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_another_site_gets_nothing(
    dashboard: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    assert dashboard.get(path, headers=headers).status_code == 403


def test_another_site_can_press_no_button(dashboard: httpx.Client, client: httpx.Client) -> None:
    payment = pay(client).json()["id"]
    answer = dashboard.post(
        f"/_sandbox/dashboard/payments/{payment}/refund", headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403
    assert client.get(f"/payments/{payment}").json()["amount_refunded"] == 0


def test_lists_show_the_newest_first_with_its_amount_in_words(
    client: httpx.Client, feed: Feed
) -> None:
    pay(client, amount=100)
    newest = pay(client, amount=250).json()
    row, _ = feed("payment")["list"]["rows"]
    assert (row["id"], row["money"], row["account"]) == (newest["id"], "AED 2.50", "acmeshop1")


def test_lists_hold_every_account_and_mode(sandbox: Sandbox, feed: Feed) -> None:
    for key in ("sk_test_acmeshop1", "sk_live_acmeshop1", "sk_test_othershop"):
        with client_of(sandbox, key) as client:
            pay(client)
    rows = feed("payment")["list"]["rows"]
    assert {(row["account"], row["mode"]) for row in rows} == {
        ("acmeshop1", "test"),
        ("acmeshop1", "live"),
        ("othershop", "test"),
    }


def test_a_search_finds_by_any_field_and_all_words(client: httpx.Client, feed: Feed) -> None:
    wanted = pay(client, metadata={"order": "Émile-42"}).json()["id"]
    pay(client, metadata={"order": "Émile-43"})
    rows = feed("payment", q="émile-42 SUCCEEDED")["list"]["rows"]
    assert [row["id"] for row in rows] == [wanted]


def test_an_open_dispute_marks_its_payment(
    client: httpx.Client, sandbox: Sandbox, feed: Feed
) -> None:
    payment = pay(client).json()["id"]
    dispute = sandbox.trigger("dispute.created", payment=payment)["data"]["id"]
    assert feed("payment")["list"]["rows"][0]["state"] == "disputed"
    sandbox.trigger("dispute.resolved", data={"id": dispute})
    assert feed("payment")["list"]["rows"][0]["state"] == "succeeded"


def test_a_long_list_is_read_page_by_page(sandbox: Sandbox, feed: Feed) -> None:
    for _ in range(101):
        sandbox.trigger("customer.created", account="acmeshop1")
    pages = [feed("customer", page=page)["list"] for page in (1, 2, 3)]
    assert [len(page["rows"]) for page in pages] == [50, 50, 1]
    assert len({row["id"] for page in pages for row in page["rows"]}) == 101
    assert [page["first"] for page in pages] == [1, 51, 101]
    assert (pages[0]["total"], pages[0]["pages"]) == (101, 3)
    assert feed("customer", page=99)["list"]["page"] == 3


def test_lists_are_filtered(sandbox: Sandbox, client: httpx.Client, feed: Feed) -> None:
    with client_of(sandbox, "sk_live_othershop") as other:
        pay(other)
    pay(client)
    pay(client, "chargeDeclined")
    assert feed("payment")["list"]["choices"] == {
        "status": ["failed", "succeeded"],
        "endpoint": [],
        "account": ["acmeshop1", "othershop"],
        "mode": ["live", "test"],
    }
    assert feed("payment", status="succeeded")["list"]["total"] == 2
    assert feed("payment", status="succeeded", account="acmeshop1")["list"]["total"] == 1
    assert feed("payment", mode="live")["list"]["total"] == 1
    assert feed("event", status="payment.failed")["list"]["total"] == 1
    assert feed("request", status="402")["list"]["total"] == 1


def test_deliveries_are_filtered_by_endpoint(
    sandbox: Sandbox, client: httpx.Client, shop: Shop, feed: Feed
) -> None:
    for path in ("one", "two"):
        client.post("/webhook-endpoints", json={"url": f"http://127.0.0.1:5000/{path}"})
    pay(client)
    sandbox.advance(0)
    rows = feed("delivery", endpoint="http://127.0.0.1:5000/two")["list"]["rows"]
    assert {row["url"] for row in rows} == {"http://127.0.0.1:5000/two"}
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "succeeded"),
        ({"capture_method": "manual"}, "requires capture"),
        ({"confirm": False}, "requires confirmation"),
    ],
)
def test_state_is_one_word_everywhere(
    client: httpx.Client, feed: Feed, fields: dict[str, Any], state: str
) -> None:
    payment = pay(client, **fields).json()["id"]
    found = feed("payment", id=payment)
    assert (found["list"]["rows"][0]["state"], found["detail"]["object"]["state"]) == (state, state)


def test_request_log_tells_the_errors_code_and_the_time_taken(
    client: httpx.Client, feed: Feed
) -> None:
    pay(client, "chargeDeclined")
    (row,) = feed("request")["list"]["rows"]
    assert (row["state"], row["error"]) == ("402", "card_declined")
    assert 0 <= row["milliseconds"] < 10_000


@pytest.mark.parametrize(
    ("currency", "amount", "minor"),
    [("aed", "12.5", 1250), ("kwd", "1.250", 1250), ("aed", "1,000", 100_000)],
)
def test_amounts_are_given_as_people_write_them(
    dashboard: httpx.Client, client: httpx.Client, currency: str, amount: str, minor: int
) -> None:
    payment = pay(client, amount=200_000, currency=currency).json()["id"]
    path = f"/_sandbox/dashboard/payments/{payment}/refund"
    assert dashboard.post(path, json={"amount": amount}).json()["amount_refunded"] == minor
    answer = dashboard.post(path, json={"amount": "1.23456"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "amount")
    triggered = dashboard.post(
        "/_sandbox/dashboard/trigger",
        json={"type": "payment.completed", "amount": amount, "data": {"currency": currency}},
    ).json()
    assert triggered["data"]["amount"] == minor


def test_an_unknown_list_is_not_found(dashboard: httpx.Client) -> None:
    answer = dashboard.get(FEED, params={"kind": "spaceship"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


def test_nothing_new_is_answered_with_304_although_the_clock_runs(
    dashboard: httpx.Client, sandbox: Sandbox
) -> None:
    sandbox.settings(clock_rate=1)
    tag = dashboard.get(FEED).headers["ETag"]
    assert dashboard.get(FEED, headers={"If-None-Match": tag}).status_code == 304


def test_a_moved_clock_is_news(dashboard: httpx.Client, sandbox: Sandbox) -> None:
    tag = dashboard.get(FEED).headers["ETag"]
    sandbox.advance(3600)
    assert dashboard.get(FEED, headers={"If-None-Match": tag}).status_code == 200


def test_a_new_payment_is_news(dashboard: httpx.Client, client: httpx.Client) -> None:
    tag = dashboard.get(FEED).headers["ETag"]
    pay(client)
    assert dashboard.get(FEED, headers={"If-None-Match": tag}).status_code == 200


def test_the_feed_tells_of_faults_and_of_the_next_delivery(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, feed: Feed
) -> None:
    shop.default = WebhookResponse(500)
    shop.register(client)
    pay(client)
    sandbox.advance(0)
    sandbox.fault("lost-answer")
    found = feed()
    assert found["faults"][0]["kind"] == "lost-answer"
    assert found["next_delivery"] > found["clock"]["now"]


def test_lists_leave_out_what_only_the_detail_shows(
    sandbox: Sandbox, shop: Shop, client: httpx.Client, feed: Feed
) -> None:
    shop.register(client)
    pay(client)
    sandbox.advance(0)
    attempt = feed("delivery")["list"]["rows"][0]["attempts"][0]
    assert "request" not in attempt
    assert "response" not in feed("request")["list"]["rows"][0]
