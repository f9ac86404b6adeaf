"""The real Flask-WTF guards the app; the webhook alone passes, whichever came first."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Blueprint, Flask, request
from flask_wtf import CSRFProtect

from .door_app import PATH, Door, event_body


def shop() -> Flask:
    app = Flask("shop")
    app.secret_key = "not-secret-in-a-test"  # Flask-WTF signs its tokens with it
    app.add_url_rule("/basket", "basket", lambda: "added", methods=["POST"])
    orders = Blueprint("orders", __name__)
    orders.add_url_rule("/orders", "create", lambda: "ordered", methods=["POST"])
    app.register_blueprint(orders)
    return app


def protection_first(app: Flask, protect: CSRFProtect) -> Door:
    protect.init_app(app)
    return Door(app)


def extension_first(app: Flask, protect: CSRFProtect) -> Door:
    door = Door(app)
    protect.init_app(app)
    return door


orders = pytest.mark.parametrize("build", [protection_first, extension_first])
Build = Callable[[Flask, CSRFProtect], Door]


@orders
def test_deliveries_pass_the_protection(build: Build) -> None:
    door = build(shop(), CSRFProtect())
    assert door.deliver().json == {"received": True}
    assert door.deliver(path=PATH + "/").status_code == 200


@orders
def test_a_forged_delivery_still_meets_the_signature_check(build: Build) -> None:
    door = build(shop(), CSRFProtect())
    assert door.deliver(signature="x").text == "Invalid signature"


@orders
@pytest.mark.parametrize("path", ["/basket", "/orders"])
def test_other_views_stay_protected(build: Build, path: str) -> None:
    door = build(shop(), CSRFProtect())
    door.deliver()
    response = door.client.post(path)
    assert response.status_code == 400
    assert "CSRF token is missing" in response.text


@orders
def test_a_view_of_the_merchants_with_the_same_name_stays_protected(build: Build) -> None:
    app = shop()

    def webhook() -> str:
        return "mine"

    app.add_url_rule("/webhook", "webhook", webhook, methods=["POST"])
    door = build(app, CSRFProtect())
    door.deliver()
    assert door.client.post("/webhook").status_code == 400


@orders
def test_works_with_https_and_its_referrer_check(build: Build) -> None:
    door = build(shop(), CSRFProtect())
    assert door.deliver(base_url="https://shop.example").status_code == 200


@orders
def test_works_where_the_app_decides_itself_what_is_checked(build: Build) -> None:
    """With WTF_CSRF_CHECK_DEFAULT off the app calls protect(), and names the webhook."""
    app, protect = shop(), CSRFProtect()
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False

    @app.before_request
    def check_csrf() -> None:
        if request.endpoint != "paysafer.webhook":
            protect.protect()

    door = build(app, protect)
    assert door.deliver().status_code == 200
    assert door.client.post("/basket").status_code == 400


def test_two_accounts_pass_the_protection() -> None:
    app = shop()
    Door(app)
    second = Door(app, name="paysafer_eu")
    CSRFProtect(app)
    assert second.deliver(path="/paysafer_eu/webhook").status_code == 200


def test_each_app_is_exempted_on_its_own() -> None:
    """One CSRFProtect for several apps, as factories make them."""
    protect = CSRFProtect()
    for _ in range(2):
        door = extension_first(shop(), protect)
        assert door.deliver(event_body()).status_code == 200


def test_an_extension_of_another_kind_under_that_name_is_left_alone() -> None:
    app = shop()
    app.extensions["csrf"] = object()
    assert Door(app).deliver().status_code == 200
