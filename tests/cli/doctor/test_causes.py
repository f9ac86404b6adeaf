"""Each of these habits and accidents is named by the doctor with its own cause."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from celery import Celery
from flask import Flask
from flask_limiter import Limiter
from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session
from flask_talisman import Talisman
from sqlalchemy import create_engine, event, insert, update
from werkzeug.wrappers import Response

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer
from flask_paysafer.cli.doctor.api import check_secrets
from flask_paysafer.cli.doctor.checking import CheckContext
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.state import get_state
from tests.cli.exam.shops import served as served_app
from tests.cli.exam.shops import stand_before
from tests.cli.shop import SECRET
from tests.inbox.events import event_body

GOOD: dict[str, Any] = {
    "SECRET_KEY": "a long random value of the tests",
    "PAYSAFER_SECRET_KEY": "sk_test_kitshop12",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_kitshop12",
    "PAYSAFER_WEBHOOK_SECRET": SECRET,
    "PAYSAFER_MAX_RETRIES": 0,
    "PAYSAFER_API_BASE": "http://127.0.0.1:9/v1",
}


class Shop:
    """An app with all that a shop registers, and what the doctor says of it."""

    def __init__(self, folder: Path, *, db: Any = None, app: Flask | None = None, **given: Any):
        self.app = app or Flask("shop", instance_path=str(folder))
        self.app.config.from_mapping(GOOD | given)
        if db is not None:
            db.init_app(self.app)
        self.paysafer = PaySafer(db=db)
        self.paysafer.on("payment.completed", name="fulfil")(self.fulfil)
        self.paysafer.order_loader(
            lambda reference: CheckoutOrder(
                reference=reference, amount=Money(15000, "aed"), success_url="/"
            )
        )
        self.paysafer.init_app(self.app)
        self.is_broken = True
        if db is not None:
            with self.app.app_context():
                db.create_all()

    def fulfil(self, event: Event) -> None:
        if self.is_broken:
            raise ValueError("out of stock")

    def findings(self, *arguments: str) -> list[dict[str, Any]]:
        """Return what the doctor finds that is no good; offline unless it is given arguments."""
        command = ["paysafer", "doctor", "--json", *(arguments or ("--offline",))]
        result = self.app.test_cli_runner().invoke(args=command)
        report = json.loads(result.stdout)
        return [one for one in report["findings"] if one["level"] in ("error", "warning")]

    def the_finding(self, *arguments: str) -> tuple[str, str, str]:
        """Return the level of the only finding, what it is, and the hint."""
        findings = self.findings(*arguments)
        assert len(findings) == 1, findings
        [found] = findings
        assert found["reason"]
        return found["level"], found["what"], found["hint"]


def test_a_healthy_shop_has_no_finding(folder: Path) -> None:
    assert Shop(folder).findings() == []
    assert Shop(folder / "db", db=_db(folder)).findings() == []


def _db(folder: Path, **options: Any) -> SQLAlchemy:
    db = SQLAlchemy(**options)
    init_app = db.init_app

    def init(app: Flask) -> None:
        app.config.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{folder}/shop.sqlite")
        init_app(app)
        with app.app_context():
            event.listen(db.engine, "connect", lambda it, _: it.execute("PRAGMA synchronous=FULL"))

    db.init_app = init  # type: ignore[method-assign]
    return db


# How requests reach the app.


def test_an_untrusted_host(folder: Path) -> None:
    shop = Shop(folder, TRUSTED_HOSTS=["other.example"], SERVER_NAME="shop.example")
    level, what, hint = shop.the_finding()
    assert (level, what) == ("error", "shop.example is not in TRUSTED_HOSTS.")
    assert hint == "Add 'shop.example' to TRUSTED_HOSTS."


@pytest.mark.parametrize("hosts", [["shop.example"], [".example", "shop.example"]])
def test_trusted_hosts_do_not_stop_the_doctor(folder: Path, hosts: list[str]) -> None:
    assert Shop(folder, TRUSTED_HOSTS=hosts).findings() == []


def test_host_matching_with_another_host(folder: Path) -> None:
    app = Flask("shop", instance_path=str(folder), host_matching=True, static_folder=None)
    shop = Shop(folder, app=app, SERVER_NAME="pay.example")
    level, what, hint = shop.the_finding("--offline", "--url", "http://shop.example")
    assert level == "error"
    assert "is served for pay.example alone, and not for shop.example" in what
    assert 'PaySafer(app, host="shop.example")' in hint


LIMITED = ("The webhook /paysafer/webhook is refused (429) by a rate limiter.", "in the limiter")
HOST = ("The webhook /paysafer/webhook is refused (400) for its host.", "TRUSTED_HOSTS")
CSRF = ("The webhook /paysafer/webhook is refused (400) by a CSRF protection.", "Exempt")
ODD = ("is refused (400) by something else than this extension.", "It says 'Bad Request'")
LARGE = ("is refused (413): a limit on request bodies is too small.", "client_max_body_size")
AWAY = ("is answered 502 by a proxy that reaches no app behind it.", "that the app is running")


@pytest.mark.parametrize(
    ("answer", "what", "hint"),
    [
        (Response("Slow down", 429), *LIMITED),
        (Response("Invalid HTTP_HOST header", 400), *HOST),
        (Response("The CSRF token is missing.", 400), *CSRF),
        (Response("Bad Request", 400), *ODD),
        (Response("Request Entity Too Large", 413), *LARGE),
        (Response("Bad Gateway", 502), *AWAY),
    ],
    ids=lambda one: one.status_code if isinstance(one, Response) else "",
)
def test_what_stands_before_the_app_is_named(
    folder: Path, answer: Response, what: str, hint: str
) -> None:
    shop = Shop(folder)
    stand_before(shop.app, lambda _: answer)
    [found] = [one for one in shop.findings() if one["check"] == "route"]
    assert what in found["what"]
    assert hint in found["hint"]


@pytest.mark.parametrize("kind", ["default_limits", "application_limits"])
def test_flask_limiters_limits_on_the_webhook(folder: Path, kind: str) -> None:
    shop = Shop(folder, RATELIMIT_STORAGE_URI="memory://")
    limits: Any = {kind: ["2 per minute"]}
    limiter = Limiter(lambda: "203.0.113.7", app=shop.app, **limits)

    level, what, hint = shop.the_finding()

    assert (level, what) == ("error", "Flask-Limiter limits the webhook to 2 per 1 minute.")
    assert hint == 'Add: limiter.exempt(app.view_functions["paysafer.webhook"])'
    exec(hint.removeprefix("Add: "), {"limiter": limiter, "app": shop.app})  # the one line cures it
    assert shop.findings() == []
    client = shop.app.test_client()
    assert [client.post("/paysafer/webhook").status_code for _ in range(4)] == [400] * 4


def test_a_limiter_that_is_off_is_no_finding(folder: Path) -> None:
    shop = Shop(folder, RATELIMIT_STORAGE_URI="memory://", RATELIMIT_ENABLED=False)
    Limiter(lambda: "203.0.113.7", app=shop.app, default_limits=["2 per minute"])
    assert shop.findings() == []


def test_talismans_policy(folder: Path) -> None:
    shop = Shop(folder)
    Talisman(shop.app)
    level, what, hint = shop.the_finding()
    assert level == "error"
    assert what == (
        "Flask-Talisman's Content-Security-Policy forbids http://127.0.0.1:9 in connect-src."
    )
    assert '"connect-src": "\'self\' http://127.0.0.1:9"' in hint


# Cookies that don't come back.


@pytest.mark.parametrize(
    ("given", "level", "what"),
    [
        ({"SESSION_COOKIE_DOMAIN": "other.example"}, "error", "SESSION_COOKIE_DOMAIN is"),
        ({"SESSION_COOKIE_SECURE": True}, "error", "SESSION_COOKIE_SECURE is on"),
        ({"SESSION_COOKIE_PATH": "/account"}, "error", "SESSION_COOKIE_PATH is '/account'"),
        ({"SESSION_COOKIE_SAMESITE": "None"}, "error", "SESSION_COOKIE_SAMESITE is 'None'"),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, "warning", "SESSION_COOKIE_SAMESITE is 'Strict'"),
    ],
)
def test_a_session_cookie_that_does_not_come_back(
    folder: Path, given: dict[str, Any], level: str, what: str
) -> None:
    found = Shop(folder, SERVER_NAME="shop.example", **given).the_finding()
    assert found[0] == level
    assert found[1].startswith(what)
    assert "SESSION_COOKIE_" in found[2] or "https" in found[2]


# The shop's own database.


def test_an_engine_that_commits_by_itself(folder: Path) -> None:
    db = _db(folder, engine_options={"isolation_level": "AUTOCOMMIT"})
    level, what, hint = Shop(folder, db=db).the_finding()
    assert level == "error"
    assert what.startswith("The database engine commits each statement by itself (AUTOCOMMIT)")
    assert "Remove isolation_level AUTOCOMMIT" in hint


def test_a_session_that_reads_from_a_follower(folder: Path) -> None:
    follower = create_engine(f"sqlite:///{folder}/follower.sqlite")

    class Routing(Session):
        def get_bind(self, mapper: Any = None, clause: Any = None, *_: Any, **__: Any) -> Any:
            return follower if getattr(clause, "is_select", False) else db.engine

    db = _db(folder, session_options={"class_": Routing})
    level, what, hint = Shop(folder, db=db).the_finding()
    assert level == "warning", what
    assert what == "The session reads from another database than it writes to, a follower."
    assert "order loader" in hint


def test_alembic_on_the_database_that_the_inbox_shares(folder: Path) -> None:
    from flask_migrate import Migrate

    url = f"sqlite:///{folder}/shop.sqlite"
    shop = Shop(folder, SQLALCHEMY_DATABASE_URI=url, PAYSAFER_INBOX_URL=url)
    migrations = folder / "migrations"
    Migrate(shop.app, SQLAlchemy(shop.app), directory=str(migrations))

    level, what, hint = shop.the_finding()

    assert level == "warning"
    assert "Alembic does not know them" in what
    assert 'name.startswith("paysafer_")' in hint
    migrations.mkdir()
    (migrations / "env.py").write_text(hint)
    assert shop.findings() == []


# What came in, and what became of it.


def receive(shop: Shop, *event_ids: str, kind: str = "payment.completed") -> None:
    from flask_paysafer import Webhook

    for event_id in event_ids:
        body = event_body(event_id, type=kind)
        headers = {"PaySafer-Signature": Webhook.sign(body, SECRET)}
        shop.app.test_client().post(
            "/paysafer/webhook", data=body, content_type="application/json", headers=headers
        )


def test_failed_events_are_one_finding_for_each_error(folder: Path) -> None:
    shop = Shop(folder)
    receive(shop, "evt_1", "evt_2", "evt_3")
    level, what, hint = shop.the_finding()
    assert (level, what) == ("error", "fulfil has failed for 3 events: ValueError: out of stock")
    assert "flask paysafer events replay --state failed" in hint


def test_a_handler_that_fails_under_celery_is_seen_at_once(folder: Path) -> None:
    shop = Shop(folder, PAYSAFER_DISPATCH="celery", PAYSAFER_INBOX_URL=None)
    celery = Celery("shop", broker="memory://", set_as_current=False)
    celery.conf.update(task_always_eager=True, task_ignore_result=True)
    shop.app.extensions["celery"] = celery
    receive(shop, "evt_1", "evt_2")

    found = [one for one in shop.findings() if one["check"] == "handlers"]

    assert [(one["level"], one["what"]) for one in found] == [
        ("warning", "fulfil has failed for 2 events: ValueError: out of stock")
    ]


def _pay(shop: Shop, *references: str) -> None:
    """Note that these orders were paid, ten minutes ago."""
    inbox = get_state(shop.app).inbox
    attempt, now = inbox.database.tables.checkout_attempt, inbox.browser.now()
    for reference in references:
        row = {
            "account": "paysafer",
            "reference": reference,
            "number": 1,
            "idempotency_key": f"order_{reference}",
            "amount": 15000,
            "currency": "aed",
            "manual_capture": False,
            "state": "succeeded",
            "payment_id": f"pay_{reference}",
            "request_encrypted": False,
            "begun_at": now - 600_000,
            "due_at": 0,
            "fence": 0,
        }
        with inbox.database.transaction() as connection:
            connection.execute(insert(attempt).values(row))


def test_paid_orders_of_which_no_event_came(folder: Path) -> None:
    shop = Shop(folder)
    _pay(shop, "1001", "1002")
    level, what, hint = shop.the_finding()
    assert level == "error"
    assert what == "2 orders are paid, and no event of the payment came in: 1001, 1002."
    assert "flask paysafer reconcile --apply" in hint


@pytest.mark.parametrize(("state", "found"), [("ignored", 1), ("done", 0)])
def test_paid_orders_that_no_handler_has_fulfilled(folder: Path, state: str, found: int) -> None:
    shop = Shop(folder)
    shop.is_broken = False
    receive(shop, "evt_1")
    tables = get_state(shop.app).inbox.database.tables
    with get_state(shop.app).inbox.database.transaction() as connection:
        connection.execute(update(tables.event).values(state=state, object_id="pay_1001"))
    _pay(shop, "1001")

    findings = shop.findings()

    assert [one["what"] for one in findings] == found * [
        "1 order is paid, and no handler was there for it: 1001."
    ]


@pytest.fixture
def joined(served: Sandbox, folder: Path) -> Shop:
    """A shop that is joined to the served PaySafer."""
    served.reset()
    return Shop(folder, PAYSAFER_API_BASE=f"{served.url}/v1")


def _register(shop: Shop, url: str) -> dict[str, Any]:
    headers = {"Authorization": "Bearer sk_test_kitshop12"}
    made = httpx.post(
        f"{shop.app.config['PAYSAFER_API_BASE']}/webhook-endpoints",
        json={"url": url},
        headers=headers,
    )
    return dict(made.json())


def _buy(shop: Shop) -> None:
    get_state(shop.app).client.payments.create(
        amount=100, currency="aed", payment_method="pm_card_visa"
    )


@pytest.mark.parametrize(
    ("change", "what", "hint"),
    [
        (lambda app: None, "was refused with 400: no secret in", "Set PAYSAFER_WEBHOOK_SECRET to"),
        (
            lambda app: stand_before(app, lambda _: Response("Slow down", 429)),
            "was refused with 429 by a rate limiter.",
            "Exempt the webhook's address",
        ),
    ],
)
def test_deliveries_that_are_refused(
    joined: Shop, served: Sandbox, change: Callable[[Flask], Any], what: str, hint: str
) -> None:
    change(joined.app)
    with served_app(joined.app) as url:
        _register(joined, f"{url}/paysafer/webhook")
        _buy(joined)
        served.advance(0)
        found = [one for one in joined.findings("--url", url) if one["check"] == "webhook secrets"]
    get_state(joined.app).client.close()

    assert [one["level"] for one in found] == ["error"]
    assert what in found[0]["what"] or "were refused with 400: no secret in" in found[0]["what"]
    assert hint in found[0]["hint"]


class Remote(CheckContext):
    """As if PaySafer were not on this machine, so that its deliveries can't be asked for."""

    is_local = False


@pytest.mark.parametrize("age", [60, 600])
def test_payments_of_which_no_event_was_verified(joined: Shop, served: Sandbox, age: int) -> None:
    _register(joined, "http://127.0.0.1:9/paysafer/webhook")
    served.advance(2)
    _buy(joined)
    context = Remote(get_state(joined.app), wall=lambda: served.clock()["now"] + age)
    with joined.app.app_context():
        found = [one for one in check_secrets(context) if one.level == "error"]
    get_state(joined.app).client.close()

    # One that is on its way is not lost.
    assert len(found) == (age > 120)
    for one in found:
        assert one.what.startswith("PaySafer has 1 payment since we_")
        assert "no event of any of them was verified here" in one.what
        assert "Set PAYSAFER_WEBHOOK_SECRET to the secret" in one.hint
