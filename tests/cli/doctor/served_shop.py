"""A healthy shop for the servers of ``test_healthy.py``, joined to the PaySafer that serves."""

from __future__ import annotations

import os
import socket
import sys

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from werkzeug.middleware.proxy_fix import ProxyFix

from flask_paysafer import CheckoutOrder, Event, Money, PaySafer
from tests.cli.shop import SECRET


def create_app() -> Flask:
    """Return the shop, as a merchant's factory would."""
    folder = os.environ["SHOP_FOLDER"]
    app = Flask("shop", instance_path=folder)
    app.config.update(
        SECRET_KEY="a long random value of the tests",
        PAYSAFER_SECRET_KEY="sk_test_kitshop12",
        PAYSAFER_PUBLISHABLE_KEY="pk_test_kitshop12",
        PAYSAFER_WEBHOOK_SECRET=os.environ.get("SHOP_SECRET", SECRET),
        PAYSAFER_API_BASE=os.environ["SHOP_API"],
        SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/shop.sqlite",
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1)  # type: ignore[method-assign]
    db = SQLAlchemy(app)
    with app.app_context():
        event.listen(db.engine, "connect", lambda it, _: it.execute("PRAGMA synchronous = FULL"))
    paysafer = PaySafer(db=db)
    paysafer.init_app(app)

    @paysafer.on("payment.completed", name="fulfil")
    def fulfil(_: Event) -> None:
        """Fulfil nothing."""

    paysafer.order_loader(
        lambda reference: CheckoutOrder(
            reference=reference, amount=Money(15000, "aed"), success_url="/"
        )
    )
    with app.app_context():
        db.create_all()
    return app


if __name__ == "__main__":
    from waitress import serve

    serve(create_app(), sockets=[socket.socket(fileno=int(sys.argv[1]))])
