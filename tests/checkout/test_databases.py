"""The checkout in the shop's own database, and on servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer
from flask_paysafer.sandbox import Sandbox
from tests.checkout.shop import PAGE, SETTINGS, hidden_fields
from tests.checkout.test_webhooks import deliver
from tests.databases import KINDS, Kind, fresh_database

LONG = 2**60
"""An order's number that a float can hold."""


@pytest.fixture(params=[*KINDS, "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database; that in memory has one connection for everybody."""
    kind: Kind = request.param
    if request.param == "memory":
        yield "sqlite:///:memory:"
        return
    with fresh_database(kind, tmp_path) as url:
        yield url


def test_sells_from_the_shops_own_database(sandbox: Sandbox, url: str, tmp_path: Path) -> None:
    class Base(DeclarativeBase):
        pass

    db = SQLAlchemy(model_class=Base)

    class Order(db.Model):  # type: ignore[name-defined,misc]  # made at run time
        id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
        total: Mapped[int]
        paid_by: Mapped[str | None] = mapped_column(String(99))

    paysafer = PaySafer(db=db, transport=sandbox.transport())

    @paysafer.order_loader
    def load(reference: str) -> Any:
        if (
            reference == "099999999999999999999"
        ):  # a code; what is no code is looked up by its number
            return CheckoutOrder(reference=reference, amount=Money(1, "aed"), success_url="/thanks")
        order = db.session.get(Order, reference)
        return order and CheckoutOrder(
            reference=order.id, amount=Money(order.total, "aed"), success_url="/thanks"
        )

    @paysafer.on("payment.completed")
    def fulfil(event: Event) -> None:
        order = db.session.get_one(Order, 1234)
        order.paid_by = event.data.id
        db.session.flush()
        assert paysafer.order_for(event)

    app = Flask("shop", instance_path=str(tmp_path))

    @app.errorhandler(404)
    def not_found(error: Any) -> tuple[str, int]:
        return f"We have {len(db.session.execute(db.select(Order)).all())} orders.", 404

    @app.after_request
    def count(response: Response) -> Response:
        response.headers["X-Orders"] = str(len(db.session.execute(db.select(Order)).all()))
        return response

    app.config.from_mapping(SETTINGS, SQLALCHEMY_DATABASE_URI=url)
    db.init_app(app)
    paysafer.init_app(app)
    with app.app_context():
        db.create_all()
        db.session.add_all([Order(id=1234, total=15000), Order(id=LONG, total=15000)])
        db.session.commit()
    browser = app.test_client()
    with app.app_context():
        card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}
        token = paysafer.client.tokens.create(card=card).id  # type: ignore[arg-type]
    sent = browser.post(PAGE, data=hidden_fields(browser.get(PAGE).text) | {"token": token})
    assert browser.get(sent.location).location == "/thanks"
    assert browser.get(f"/paysafer/checkout/{LONG}").status_code == 200
    for word in ("abc", "1234 x", "1234.0", f"{LONG}.0", f"{LONG}e0", "9" * 40):
        if (word, url.partition("+")[0]) != ("1234 x", "mysql"):  # where it is 1234
            answer = browser.get(f"/paysafer/checkout/{word}")
            assert (answer.status_code, answer.headers["X-Orders"]) == (404, "2")
    coded = browser.get("/paysafer/checkout/099999999999999999999")  # the number is beyond BIGINT
    assert (coded.status_code, coded.headers["X-Orders"]) == (200, "2")
    [payment] = sandbox.objects("payment")
    [completed] = [event for event in sandbox.events() if event["type"] == "payment.completed"]
    assert deliver(app, completed) == 200
    with app.app_context():
        assert db.session.get_one(Order, 1234).paid_by == payment["id"]
        for table in ("paysafer_checkout_attempt", "paysafer_handler_run"):
            assert len(db.session.execute(db.select(db.metadata.tables[table])).all()) == 1
    with app.app_context():
        db.engine.dispose()
