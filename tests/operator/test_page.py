"""The operator page: for whom it exists, what it shows, what its buttons do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.testing import FlaskClient
from flask_wtf import CSRFProtect
from werkzeug.test import TestResponse

from flask_paysafer import Event, PaySafer
from flask_paysafer.inbox.queries import EventFilter
from flask_paysafer.state import get_state
from tests.inbox.events import event_body

PAGES = [
    "/paysafer/operator/",
    "/paysafer/operator",
    "/paysafer/operator/events/1",
    "/paysafer/operator/style.css",
]
ACTIONS = ["/paysafer/operator/events/1/replay", "/paysafer/operator/events/1/quarantine"]


class Shop:
    """A shop whose operator may come in."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.paysafer = PaySafer()
        self.seen: list[str] = []
        self.is_broken = False
        self.paysafer.on("payment.*", name="fulfil")(self._fulfil)
        self.app = Flask("shop", instance_path=str(folder))
        self.app.config.update(SECRET_KEY="for the session", **settings)
        self.paysafer.init_app(self.app)
        self.client: FlaskClient = self.app.test_client()

    def _fulfil(self, event: Event) -> None:
        self.seen.append(event.id)
        if self.is_broken:
            raise ValueError("<b>out of stock</b>")

    def receive(self, body: bytes) -> None:
        """Take an event as the webhook does."""
        state, event = get_state(self.app), Event.from_json(body)
        recorded = state.inbox.record(event, body, verified_with="0badcafe")
        state.dispatcher.dispatch(recorded, event)

    def press(self, path: str, **fields: str) -> TestResponse:
        """Press a button of event 1's page."""
        page = self.client.get("/paysafer/operator/events/1").text
        hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))
        hidden.pop("handler", None)
        return self.client.post(path, data={**hidden, **fields}, follow_redirects=True)

    def confirm(self, question: TestResponse) -> TestResponse:
        """Press the button of the page that asks first."""
        hidden = dict(
            re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', question.text)
        )
        found = re.search(r'action="([^"]*)"', question.text)
        assert found is not None
        return self.client.post(found[1], data=hidden, follow_redirects=True)

    def state(self) -> str:
        """Return the state of event 1."""
        story = get_state(self.app).inbox.browser.story_of(1)
        assert story is not None
        return story.event.state


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with a failed event."""
    shop = Shop(tmp_path)
    shop.paysafer.operator_required(lambda: True)
    shop.is_broken = True
    shop.receive(event_body("evt_1", data={"description": "<script>alert(1)</script>"}))
    shop.is_broken = False
    shop.seen.clear()
    return shop


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("answer", [None, False, "", "/login", ("no", 403)])
def test_page_does_not_exist_for_others(tmp_path: Path, path: str, answer: object) -> None:
    shop = Shop(tmp_path)
    assert shop.client.get(path).status_code == 404
    shop.paysafer.operator_required(lambda: answer)
    assert shop.client.get(path).status_code == 404


@pytest.mark.parametrize(("answer", "status"), [(False, 404), (True, 200)])
def test_async_function_is_asked(tmp_path: Path, answer: bool, status: int) -> None:
    """Its coroutine is true before it has run: taken for the answer, it would admit everybody."""
    shop = Shop(tmp_path)

    @shop.paysafer.operator_required
    async def may_operate() -> bool:
        return answer

    assert shop.client.get("/paysafer/operator/").status_code == status


def test_generator_admits_nobody(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    @shop.paysafer.operator_required
    def may_operate() -> Iterator[bool]:
        yield False

    assert shop.client.get("/paysafer/operator/").status_code == 500


@pytest.mark.parametrize("path", ACTIONS)
def test_buttons_do_not_exist_for_others(tmp_path: Path, path: str) -> None:
    assert Shop(tmp_path).client.post(path).status_code == 404


def test_list_shows_counts_chart_and_events(shop: Shop) -> None:
    page = shop.client.get("/paysafer/operator/").text

    assert "1 events received: 0 handled, 0 pending, 1 failed" in page
    assert '<span class="state failed">failed</span>' in page
    assert ">evt_1</a>" in page


@pytest.mark.parametrize(
    ("query", "is_there"),
    [
        ("state=failed", True),
        ("state=done", False),
        ("state=failed&state=done", True),
        ("type=payment.*", True),
        ("type=payout.failed", False),
        ("object=pay_1", True),
        ("object=pay_2", False),
        ("state=nonsense&before=x", True),
        ("before=1", False),
        (f"before={2**64}", True),
        (f"before=-{2**64}", False),
    ],
)
def test_list_filters(shop: Shop, query: str, is_there: bool) -> None:
    page = shop.client.get(f"/paysafer/operator/?{query}").text

    assert (">evt_1</a>" in page) is is_there


def test_list_says_what_failed_and_how_often(shop: Shop) -> None:
    page = shop.client.get("/paysafer/operator/").text

    assert '<td class="number">1</td>' in page
    assert ">fulfil: ValueError: &lt;b&gt;out of stock&lt;/b&gt;<" in page


def test_event_page_shows_payload_deliveries_and_failures_escaped(shop: Shop) -> None:
    page = shop.client.get("/paysafer/operator/events/1").text

    assert "ValueError: &lt;b&gt;out of stock&lt;/b&gt;" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page
    assert "0badcafe" in page


def test_replay_runs_the_handlers(shop: Shop) -> None:
    answer = shop.press(ACTIONS[0])

    assert "Replayed: every handler is done." in answer.text
    assert shop.seen == ["evt_1"]
    assert shop.state() == "done"
    assert "replayed by a person" in answer.text


def test_replay_of_one_handler_of_a_done_event_asks_first(shop: Shop) -> None:
    shop.press(ACTIONS[0])
    question = shop.press(ACTIONS[0], handler="fulfil")

    assert "it has run before" in question.text
    assert shop.seen == ["evt_1"]
    shop.confirm(question)
    assert shop.seen == ["evt_1", "evt_1"]


def test_replay_of_a_done_event_names_what_runs_again_and_asks_first(shop: Shop) -> None:
    shop.press(ACTIONS[0])
    question = shop.press(ACTIONS[0])

    assert '<span class="id">fulfil</span>: <strong' in question.text
    assert shop.seen == ["evt_1"]
    assert "Replayed: every handler is done." in shop.confirm(question).text
    assert shop.seen == ["evt_1", "evt_1"]


def test_a_confirmation_of_something_else_asks_anew(shop: Shop) -> None:
    shop.press(ACTIONS[0])
    answer = shop.press(ACTIONS[0], confirmed="0123456789abcdef")

    assert "it has run before" in answer.text
    assert shop.seen == ["evt_1"]


def test_a_copy_is_compared_with_its_original_before_it_runs_anything(shop: Shop) -> None:
    shop.press(ACTIONS[0])
    shop.receive(event_body("evt_1", data={"description": "something else"}))
    copy = next(
        row for row in get_state(shop.app).inbox.browser.find(EventFilter(states=["quarantined"]))
    )
    path = f"/paysafer/operator/events/{copy.key}/replay"
    question = shop.press(path)

    assert "This is a copy of" in question.text
    assert "something else" in question.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in question.text
    assert '<span class="id">fulfil</span>: <strong' in question.text
    assert shop.seen == ["evt_1"]


def test_a_failure_is_shown_as_one(shop: Shop) -> None:
    shop.is_broken = True
    assert (
        '<p class="failure" role="alert">Replayed: a handler failed' in shop.press(ACTIONS[0]).text
    )


def test_replay_of_a_handler_that_is_gone_says_so(shop: Shop) -> None:
    answer = shop.press(ACTIONS[0], handler="long_gone")

    assert "No handler of that name is registered" in answer.text
    assert (shop.state(), shop.seen) == ("failed", [])


def test_event_of_a_fact_is_replayed_as_the_facts_own(shop: Shop) -> None:
    shop.press(ACTIONS[0])
    shop.receive(event_body("payment.completed:pay_1", data={"id": "pay_1"}))
    inbox = get_state(shop.app).inbox
    with inbox.database.transaction() as connection:
        inbox.facts.note_follower(connection, 1, "payment.completed:pay_1")
    shop.seen.clear()

    answer = shop.confirm(shop.press(ACTIONS[0]))

    assert shop.seen == ["payment.completed:pay_1"]
    assert ">payment.completed:pay_1</h1>" in answer.text


def test_quarantined_event_is_not_run_by_a_delivery(shop: Shop) -> None:
    answer = shop.press(ACTIONS[1])
    assert "Set aside" in answer.text

    shop.receive(event_body("evt_1", data={"description": "<script>alert(1)</script>"}))
    assert (shop.state(), shop.seen) == ("quarantined", [])

    shop.press(ACTIONS[0])
    assert (shop.state(), shop.seen) == ("done", ["evt_1"])


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize("fields", [{}, {"paysafer_csrf": ""}, {"paysafer_csrf": "guessed"}])
def test_forged_request_changes_nothing(shop: Shop, path: str, fields: dict[str, str]) -> None:
    shop.client.get("/paysafer/operator/events/1")

    assert shop.client.post(path, data=fields).status_code == 400
    assert shop.state() == "failed"


def test_body_that_is_nested_without_end_is_shown_as_it_came(shop: Shop) -> None:
    get_state(shop.app).inbox.quarantine(b"[" * 100_000, reason="It is no event.")

    assert "[" * 1000 in shop.client.get("/paysafer/operator/events/2").text


def test_forms_pass_flask_wtf(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    CSRFProtect(shop.app)
    shop.paysafer.operator_required(lambda: True)
    shop.receive(event_body("evt_1"))

    assert shop.confirm(shop.press(ACTIONS[0])).status_code == 200
    assert shop.seen == ["evt_1", "evt_1"]


@pytest.mark.parametrize("path", PAGES)
def test_nothing_comes_from_elsewhere(shop: Shop, path: str) -> None:
    answer = shop.client.get(path)

    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert answer.headers["Cache-Control"] == "no-store"
    assert "://" not in answer.text
    assert " style=" not in answer.text
    answer.close()


@pytest.mark.parametrize("key", [99, 2**64])
def test_unknown_event_is_404(shop: Shop, key: int) -> None:
    assert shop.client.get(f"/paysafer/operator/events/{key}").status_code == 404


def test_payload_of_a_lost_key_is_reported(tmp_path: Path) -> None:
    first = Shop(tmp_path, PAYSAFER_INBOX_ENCRYPTION_KEY=Fernet.generate_key().decode())
    first.receive(event_body("evt_1"))
    shop = Shop(tmp_path, PAYSAFER_INBOX_ENCRYPTION_KEY=Fernet.generate_key().decode())
    shop.paysafer.operator_required(lambda: True)

    assert "key that is not among those set" in shop.client.get("/paysafer/operator/events/1").text
    assert "a handler failed again" in shop.press(ACTIONS[0]).text
    assert shop.state() == "failed"


def test_each_view_has_a_name_of_its_own_for_those_who_wrap_or_exempt_views(tmp_path: Path) -> None:
    views = Shop(tmp_path).app.view_functions
    found = {views[name].__name__ for name in views if name.startswith("paysafer.operator")}
    assert len(found) == len([name for name in views if name.startswith("paysafer.operator")]) == 5
