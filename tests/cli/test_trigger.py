from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from flask import Flask
from werkzeug.serving import make_server
from werkzeug.test import Client

from flask_paysafer import Event, PaySafer
from flask_paysafer.events import EVENT_TYPES
from flask_paysafer.sandbox import Sandbox, WebhookRequest, WebhookResponse
from flask_paysafer.testing import build_event, payment_completed

SECRET = "whsec_0123456789abcdef"
Trigger = Callable[..., Result]


class Shop:
    """An app that notes what its one handler gets."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.events: list[Event] = []
        self.app = Flask("shop")
        self.app.config.update(
            PAYSAFER_WEBHOOK_SECRET=SECRET, PAYSAFER_INBOX_URL=f"sqlite:///{folder}/inbox.db"
        )
        self.app.config.update(settings)
        paysafer = PaySafer(self.app)
        paysafer.on("*")(self.take)

    def take(self, event: Event) -> None:
        self.events.append(event)
        if event.data.get("description") == "break":
            raise RuntimeError("out of stock")

    def trigger(self, *arguments: str, **given: Any) -> Result:
        runner = self.app.test_cli_runner()
        return runner.invoke(args=["paysafer", "trigger", *arguments], **given)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path, PAYSAFER_SECRET_KEY="sk_test_acmeshop1")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(clock_rate=0) as sandbox, sandbox.serve():
        yield sandbox


@pytest.fixture
def local_shop(tmp_path: Path, sandbox: Sandbox) -> Shop:
    """A shop whose settings lead to a sandbox."""
    return Shop(
        tmp_path,
        PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
        PAYSAFER_API_BASE=f"{sandbox.url}/v1",
    )


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_every_type_reaches_the_apps_handlers(shop: Shop, event_type: str) -> None:
    result = shop.trigger(event_type)
    assert result.exit_code == 0, result.output
    assert [event.type for event in shop.events] == [event_type]
    assert shop.events[0].id in result.output
    assert 'Answer: 200 {"received": true}' in result.output


def test_overrides_become_what_their_fields_take(shop: Shop) -> None:
    shop.trigger(
        "payment.completed",
        *("--set", "data.amount=5000"),
        *("--set", "data.metadata.order_id=7"),
        *("--set", "data.description=null"),
        *("--set", "data.customer=42"),
        *("--set", "created=1709472001"),
    )
    event = shop.events[0]
    assert (event.data.amount, event.data.amount_received, event.created) == (
        5000,
        5000,
        1709472001,
    )
    assert (event.data.metadata.order_id, event.data.description, event.data.customer) == (
        "7",
        None,
        "42",
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["payment.complete"], "Did you mean 'payment.completed'? The types are: payment.created,"),
        (["payout.failed", "--set", "data.amonut=1"], "What exists: id, created, api_version,"),
        (["payout.failed", "--set", "amount=1"], "There is no 'amount' to override."),
        (["payout.failed", "--set", "data.amount"], "--set takes key=value"),
        (["payout.failed", "--set", "data.amount=many"], "data.amount must be a whole number"),
        (["payout.failed", "--set", "data.amount=1.5"], "data.amount must be a whole number"),
        (["payout.failed", "--set", "data.livemode=no"], "data.livemode must be true or false"),
        ([], "Give a TYPE, or --replay."),
        (["payout.failed", "--to", "moon"], "--to takes sandbox, app, or a URL"),
        (["payout.failed", "--replay", "-"], "give no TYPE and no --set"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_the_cure(
    shop: Shop, arguments: list[str], problem: str
) -> None:
    result = shop.trigger(*arguments)
    assert result.exit_code == 2
    assert problem in result.output
    assert shop.events == []


def test_live_mode_is_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path, PAYSAFER_SECRET_KEY="sk_live_acmeshop1")
    result = shop.trigger("payment.completed", "--to", "app")
    assert (result.exit_code, shop.events) == (1, [])
    assert "PAYSAFER_SECRET_KEY is a live key" in result.output


def test_a_handler_that_fails_is_told_by_exit_code_1(shop: Shop) -> None:
    result = shop.trigger("payment.completed", "--set", "data.description=break")
    assert result.exit_code == 1
    assert "Answer: 500" in result.output


def test_a_missing_webhook_secret_is_named(tmp_path: Path) -> None:
    shop = Shop(tmp_path, PAYSAFER_WEBHOOK_SECRET=None)
    result = shop.trigger("payment.completed", "--to", "app")
    assert result.exit_code == 1
    assert "PAYSAFER_WEBHOOK_SECRET is not set" in result.output
    assert "your endpoint's signing secret" in result.output


def test_a_stored_event_is_sent_again_byte_for_byte(shop: Shop, tmp_path: Path) -> None:
    stored = tmp_path / "event.json"
    stored.write_text(json.dumps(payment_completed(event_id="evt_stored"), indent=4))
    shop.trigger("--replay", str(stored))
    again = shop.trigger("--replay", str(stored))
    assert [event.id for event in shop.events] == ["evt_stored"]
    assert '"duplicate": true' in again.output


def test_a_stored_event_comes_from_standard_input_too(shop: Shop) -> None:
    shop.trigger("--replay", "-", input=json.dumps(payment_completed(event_id="evt_piped")))
    assert shop.events[0].id == "evt_piped"


def test_a_file_that_holds_no_event_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "event.json").write_text('{"id": 5}')
    result = shop.trigger("--replay", str(tmp_path / "event.json"))
    assert (result.exit_code, shop.events) == (1, [])
    assert 'The event\'s "id" is not a name' in result.output


def test_a_running_app_is_reached_over_http(shop: Shop) -> None:
    with serving(shop.app) as url:
        for address in (url, f"{url}/", f"{url}/paysafer/webhook"):
            result = shop.trigger("payout.completed", "--to", address)
            assert "Answer: 200" in result.output
    assert len(shop.events) == 3


def test_no_server_at_a_url_is_told(shop: Shop) -> None:
    result = shop.trigger("payout.completed", "--to", "http://127.0.0.1:9/hook")
    assert result.exit_code == 1
    assert "http://127.0.0.1:9/hook gives no answer" in result.output


def test_where_there_is_a_sandbox_it_happens_there(local_shop: Shop, sandbox: Sandbox) -> None:
    result = local_shop.trigger(
        "payment.completed", "--set", "data.amount=700", "--set", "data.metadata.order_id=7"
    )
    assert result.exit_code == 0, result.output
    (payment,) = sandbox.objects("payment")
    assert (payment["amount"], payment["metadata"]) == (700, {"order_id": "7"})
    assert payment["account"] == "acmeshop1"
    assert "flask paysafer endpoints create --url URL" in result.output


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_sandbox_makes_every_type_happen(
    local_shop: Shop, sandbox: Sandbox, event_type: str
) -> None:
    result = local_shop.trigger(event_type)
    assert result.exit_code == 0, result.output
    assert event_type in {event["type"] for event in sandbox.events()}


def test_a_delivery_that_waits_for_the_next_one_is_told_as_such(
    local_shop: Shop, sandbox: Sandbox
) -> None:
    with serving(local_shop.app) as url:
        register(sandbox, f"{url}/not-here")
        sandbox.fault("reorder-deliveries")
        result = local_shop.trigger("customer.created")
    assert f"{url}/not-here: not delivered yet" in result.output
    assert result.exit_code == 1


def test_deliveries_of_the_sandbox_are_told_with_their_answers(
    local_shop: Shop, sandbox: Sandbox
) -> None:
    with serving(local_shop.app) as url:
        register(sandbox, f"{url}/not-here")
        result = local_shop.trigger("customer.created")
    assert f"{url}/not-here: answered 404" in result.output
    assert result.exit_code == 1
    assert f"`flask paysafer exam {url}/not-here`" in result.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(200, 0), (204, 0), (302, 1), (400, 1), (409, 1), (500, 1)]
)
def test_exit_code_tells_whether_the_shop_took_it(tmp_path: Path, status: int, code: int) -> None:
    with (
        Sandbox(clock_rate=0, sender=lambda request: WebhookResponse(status)) as sandbox,
        sandbox.serve(),
    ):
        sandbox.register("http://127.0.0.1:5000/paysafer/webhook")
        shop = Shop(
            tmp_path,
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_API_BASE=f"{sandbox.url}/v1",
        )
        result = shop.trigger("customer.created")
    assert (result.exit_code, bool(result.stderr)) == (code, bool(code))


def test_everything_that_a_trigger_made_is_told_in_order(
    local_shop: Shop, sandbox: Sandbox
) -> None:
    """A refund needs a payment, and the shop's handlers ran for that one too."""
    sandbox.trigger("payment.completed", account="acmeshop1")
    before = len(sandbox.events())
    with serving(local_shop.app) as url:
        register(sandbox, f"{url}/not-here")
        result = local_shop.trigger("payment.refunded")
    made = sandbox.events()[before:]
    assert [event["type"] for event in made] == [
        "payment.created",
        "payment.completed",
        "payment.refunded",
    ]
    assert result.stdout.splitlines() == [
        *(f"{event['type']} {event['id']} happened in the sandbox." for event in made),
        f"  {url}/not-here: answered 404",
    ]


OTHER = "(another address than this app's)"


@pytest.mark.parametrize(("own", "theirs", "code"), [(200, 500, 0), (500, 200, 1)])
def test_only_the_apps_own_address_decides(
    tmp_path: Path, own: int, theirs: int, code: int
) -> None:
    def answer(request: WebhookRequest) -> WebhookResponse:
        return WebhookResponse(theirs if "colleague" in request.url else own)

    with Sandbox(clock_rate=0, sender=answer) as sandbox, sandbox.serve():
        sandbox.register("http://colleague.localhost:5000/paysafer/webhook")
        sandbox.register("http://127.0.0.1:5000/paysafer/webhook")
        shop = Shop(
            tmp_path,
            SERVER_NAME="127.0.0.1:5000",
            PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
            PAYSAFER_API_BASE=f"{sandbox.url}/v1",
        )
        result = shop.trigger("customer.created")
    assert result.exit_code == code
    assert result.stdout.splitlines()[1:] == [
        f"  http://colleague.localhost:5000/paysafer/webhook: answered {theirs} {OTHER}",
        f"  http://127.0.0.1:5000/paysafer/webhook: answered {own}",
    ]


def test_a_dispute_can_be_about_a_payment_of_the_sandbox(
    local_shop: Shop, sandbox: Sandbox
) -> None:
    local_shop.trigger("payment.completed")
    payment = sandbox.objects("payment")[0]["id"]
    local_shop.trigger("dispute.created", "--set", f"data.payment={payment}")
    assert sandbox.events()[-1]["data"]["payment"] == payment


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("id=evt_1", "use --to app to set it"),
        ("data.status=failed", "data[status]. The sandbox settles that by itself; --to app"),
    ],
)
def test_what_the_sandbox_decides_itself_is_refused(
    local_shop: Shop, sandbox: Sandbox, override: str, problem: str
) -> None:
    result = local_shop.trigger("payment.completed", "--set", override)
    assert result.exit_code != 0
    assert problem in result.output
    assert sandbox.events() == []


def test_an_event_of_the_sandbox_is_resent_by_it(
    local_shop: Shop, sandbox: Sandbox, tmp_path: Path
) -> None:
    register(sandbox, "http://127.0.0.1:9/hook")
    local_shop.trigger("customer.created")
    (tmp_path / "event.json").write_text(json.dumps(sandbox.events()[0]))
    result = local_shop.trigger("--replay", str(tmp_path / "event.json"))
    assert "was sent again" in result.output
    assert (result.exit_code, "127.0.0.1:9/hook did not take it" in result.stderr) == (1, True)
    assert (len(sandbox.events()), len(sandbox.deliveries()[0]["attempts"])) == (1, 2)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_an_event_from_elsewhere_happens_anew_in_the_sandbox(
    local_shop: Shop, sandbox: Sandbox, tmp_path: Path, event_type: str
) -> None:
    (tmp_path / "event.json").write_text(json.dumps(build_event(event_type)))
    result = local_shop.trigger("--replay", str(tmp_path / "event.json"))
    assert result.exit_code == 0, result.output
    assert event_type in {event["type"] for event in sandbox.events()}


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"PAYSAFER_SECRET_KEY": "sk_test_acmeshop1"}, "leads to PaySafer itself"),
        ({"PAYSAFER_API_BASE": "http://127.0.0.1:9/v1"}, "PAYSAFER_SECRET_KEY is not set"),
        (
            {
                "PAYSAFER_API_BASE": "http://127.0.0.1:9/v1",
                "PAYSAFER_SECRET_KEY": "sk_test_acmeshop1",
            },
            "Is it running?",
        ),
    ],
)
def test_a_sandbox_that_is_not_there_is_told(
    tmp_path: Path, settings: dict[str, str], problem: str
) -> None:
    result = Shop(tmp_path, **settings).trigger("payout.failed", "--to", "sandbox")
    assert result.exit_code == 1
    assert problem in result.output


def test_something_else_at_the_address_is_told(tmp_path: Path, shop: Shop) -> None:
    with serving(shop.app) as url:
        lost = Shop(
            tmp_path, PAYSAFER_API_BASE=f"{url}/v1", PAYSAFER_SECRET_KEY="sk_test_acmeshop1"
        )
        assert "Is a PaySafer sandbox there?" in lost.trigger("payout.failed").output


def register(sandbox: Sandbox, url: str) -> None:
    answer = Client(sandbox.wsgi_app).post(
        "/v1/webhook-endpoints",
        json={"url": url},
        headers={"Authorization": "Bearer sk_test_acmeshop1"},
    )
    assert answer.status_code == 200


class serving:  # noqa: N801 (reads as a verb: with serving(app) as url)
    """Serve an app on a free port for the length of a ``with`` block."""

    def __init__(self, app: Flask) -> None:
        self._server = make_server("127.0.0.1", 0, app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
