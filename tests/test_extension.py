from __future__ import annotations

import gc
import json
import logging
import weakref
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer, Webhook, errors, signals
from flask_paysafer.state import get_state

SECRET = "whsec_0123456789"
SETTINGS = {
    "PAYSAFER_SECRET_KEY": "sk_test_acmeshop1",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_acmeshop1",
    "PAYSAFER_WEBHOOK_SECRET": SECRET,
}


@pytest.fixture(autouse=True)
def no_settings_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)


def make_app(folder: Path, **settings: Any) -> Flask:
    folder.mkdir(exist_ok=True)
    app = Flask("shop", instance_path=str(folder))
    app.config.update({"SECRET_KEY": "test"} | SETTINGS | settings)
    return app


def event(event_id: str = "evt_1", event_type: str = "payment.completed", **data: Any) -> bytes:
    payment = {"id": "pay_1", "object": "payment", "amount": 15000, "currency": "aed"}
    body = {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "api_version": "2026-01-15",
        "created": 1709472000,
        "data": payment | {"status": "succeeded", "livemode": False} | data,
    }
    return json.dumps(body).encode()


def deliver(
    app: Flask, body: bytes, secret: str = SECRET, path: str = "/paysafer/webhook"
) -> tuple[int, Any]:
    headers = {"PaySafer-Signature": Webhook.sign(body, secret), "Content-Type": "application/json"}
    answer = app.test_client().post(path, data=body, headers=headers)
    return answer.status_code, answer.get_json(silent=True)


@pytest.mark.parametrize("how", ["constructor", "init_app"])
def test_joins_an_app_either_way(tmp_path: Path, how: str) -> None:
    app = make_app(tmp_path)
    paysafer = PaySafer(app) if how == "constructor" else PaySafer()
    if how == "init_app":
        paysafer.init_app(app)
    with app.app_context():
        assert paysafer.config.mode == "test"


def test_settings_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYSAFER_SECRET_KEY", "sk_test_environment")
    app = make_app(tmp_path, PAYSAFER_SECRET_KEY=None)
    paysafer = PaySafer(app)
    with app.app_context():
        assert paysafer.config.secret_key == "sk_test_environment"


def test_settings_are_read_once(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paysafer = PaySafer(app)
    app.config["PAYSAFER_SECRET_KEY"] = "sk_test_another"
    with app.app_context():
        assert paysafer.config.secret_key == "sk_test_acmeshop1"


def test_a_live_key_is_refused_while_testing(tmp_path: Path) -> None:
    live = {key: value.replace("_test_", "_live_") for key, value in SETTINGS.items()}
    with pytest.raises(errors.ConfigurationError, match="live key while TESTING"):
        PaySafer(make_app(tmp_path, TESTING=True, **live))


def test_a_second_init_app_of_the_same_name_is_refused(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    PaySafer(app)
    with pytest.raises(errors.ConfigurationError, match="already registered on this app"):
        PaySafer(app)


def test_using_it_before_init_app_says_so(tmp_path: Path) -> None:
    with (
        make_app(tmp_path).app_context(),
        pytest.raises(errors.ConfigurationError, match="Did you forget to call"),
    ):
        PaySafer().client  # noqa: B018 (the access is what is tested)


def test_outside_of_a_context_the_only_app_is_meant(tmp_path: Path) -> None:
    paysafer = PaySafer()
    app = make_app(tmp_path / "one")
    paysafer.init_app(app)
    assert paysafer.config.secret_key == "sk_test_acmeshop1"
    paysafer.init_app(make_app(tmp_path / "two"))
    with pytest.raises(RuntimeError, match="outside of application context"):
        paysafer.config  # noqa: B018 (the access is what is tested)


def test_the_extension_does_not_keep_an_app_alive(tmp_path: Path) -> None:
    paysafer = PaySafer()
    app = make_app(tmp_path)
    paysafer.init_app(app)
    kept = weakref.ref(app)
    del app
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("db", ["sqlite:///shop.db", object()])
def test_what_is_no_shops_database_is_refused(db: object) -> None:
    with pytest.raises(errors.ConfigurationError, match="has no session"):
        PaySafer(db=db)


def test_without_a_secret_key_the_client_names_the_setting(tmp_path: Path) -> None:
    app = make_app(tmp_path, PAYSAFER_SECRET_KEY=None)
    paysafer = PaySafer(app)
    for name in ("client", "async_client"):
        with (
            app.app_context(),
            pytest.raises(errors.ConfigurationError, match="PAYSAFER_SECRET_KEY is not set"),
        ):
            getattr(paysafer, name)


def test_the_client_is_one_object_per_app(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paysafer = PaySafer(app)
    with app.app_context():
        first = paysafer.client
    with app.app_context():
        assert paysafer.client is first


def test_without_a_webhook_secret_the_route_answers_503_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        app = make_app(tmp_path, PAYSAFER_WEBHOOK_SECRET=None)
        PaySafer(app)
    assert "PAYSAFER_WEBHOOK_SECRET is not set" in caplog.text
    assert deliver(app, event())[0] == 503


def test_a_handler_and_a_receiver_each_run_once_for_an_event_delivered_twice(
    tmp_path: Path,
) -> None:
    app, calls = make_app(tmp_path), []
    paysafer = PaySafer(app)

    @paysafer.on("payment.completed")
    def fulfil(event: Event) -> None:
        calls.append(f"handler {event.data.id} {event.data.money}")

    def observe(sender: Flask, event: Event) -> None:
        calls.append(f"receiver {event.id}")

    with signals.payment_completed.connected_to(observe, app):
        assert deliver(app, event()) == (200, {"received": True})
        assert deliver(app, event()) == (200, {"received": True, "duplicate": True})
    assert calls == ["handler pay_1 AED 150.00", "receiver evt_1"]


def test_one_extension_serves_several_apps_that_share_nothing(tmp_path: Path) -> None:
    paysafer, seen = PaySafer(), []
    apps = [make_app(tmp_path / name) for name in ("one", "two")]
    for app in apps:
        paysafer.init_app(app)

    @paysafer.on("payment.completed")
    def fulfil(event: Event) -> None:
        seen.append(event.id)

    for app in apps:
        assert deliver(app, event()) == (200, {"received": True})
    assert seen == ["evt_1", "evt_1"]
    assert get_state(apps[0]).client is not get_state(apps[1]).client


def test_two_accounts_in_one_app_have_their_own_routes_secrets_and_handlers(
    tmp_path: Path,
) -> None:
    eu_secret, seen = "whsec_9876543210", []
    app = make_app(
        tmp_path,
        PAYSAFER_EU_SECRET_KEY="sk_test_acmeeurope",
        PAYSAFER_EU_WEBHOOK_SECRET=eu_secret,
    )
    home, eu = PaySafer(app), PaySafer(app, name="paysafer_eu")
    home.on("payment.completed", name="home")(lambda event: seen.append("home"))
    eu.on("payment.completed", name="eu")(lambda event: seen.append("eu"))

    assert deliver(app, event(), eu_secret, "/paysafer_eu/webhook") == (200, {"received": True})
    assert deliver(app, event(), SECRET, "/paysafer_eu/webhook")[0] == 400
    assert deliver(app, event()) == (200, {"received": True})
    assert seen == ["eu", "home"]
    with app.app_context():
        assert eu.config.secret_key == "sk_test_acmeeurope"


def test_a_database_of_the_shop_and_an_inbox_url_are_one_too_many(tmp_path: Path) -> None:
    app = make_app(tmp_path, PAYSAFER_INBOX_URL="sqlite://", SQLALCHEMY_DATABASE_URI="sqlite://")
    db = SQLAlchemy(app)
    with pytest.raises(errors.ConfigurationError, match="PAYSAFER_INBOX_URL is set"):
        PaySafer(app, db=db)


def test_a_shops_create_all_makes_the_inboxs_tables(tmp_path: Path) -> None:
    app = make_app(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path}/shop.db")
    db = SQLAlchemy(app)
    paysafer = PaySafer(app, db=db)
    paysafer.on("payment.completed", name="fulfil")(lambda event: None)
    with app.app_context():
        db.create_all()
    assert deliver(app, event()) == (200, {"received": True})


def test_a_checkout_without_a_loader_says_what_to_register(tmp_path: Path) -> None:
    app = make_app(tmp_path, PROPAGATE_EXCEPTIONS=True)
    PaySafer(app)
    with pytest.raises(errors.ConfigurationError, match="order_loader"):
        app.test_client().get("/paysafer/checkout/1234")


def test_order_for_gives_the_order_only_where_both_agree(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paysafer = PaySafer(app)
    order = CheckoutOrder(reference="1234", amount=Money(15000, "aed"), success_url="/thanks")
    paysafer.order_loader(lambda reference: order if reference == "1234" else None)
    metadata = {"paysafer_reference": "1234"}
    with app.app_context():
        assert paysafer.order_for(Event.from_json(event(metadata=metadata))) == order
        assert paysafer.order_for(Event.from_json(event(metadata={}))) is None
        for different in ({"amount": 14999}, {"currency": "usd"}):
            with pytest.raises(errors.PaySaferError, match="not the order's"):
                paysafer.order_for(Event.from_json(event(metadata=metadata, **different)))


def test_the_payment_of_an_order_that_was_never_tried_is_none(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paysafer = PaySafer(app)
    paysafer.order_loader(lambda reference: None)
    with app.app_context():
        assert paysafer.payment_for("1234") is None
