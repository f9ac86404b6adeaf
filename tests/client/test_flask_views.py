"""Module-level clients in Flask's views, as merchants write them."""

from __future__ import annotations

import warnings

from flask import Flask

from flask_paysafer import AsyncPaySaferClient, PaySaferClient

from .driving import SECRET_KEY
from .servers import echo, serve


def test_asynchronous_views_share_one_client() -> None:
    """Each request runs in an event loop of its own."""
    with serve(echo) as server, warnings.catch_warnings():
        warnings.simplefilter("error")
        app = Flask(__name__)
        client = AsyncPaySaferClient(SECRET_KEY, base_url=server.base_url, max_retries=0)

        @app.get("/<payment_id>")
        async def show(payment_id: str) -> str:
            return (await client.payments.retrieve(payment_id)).id

        browser = app.test_client()
        for number in range(10):
            assert browser.get(f"/pay_{number}").text == f"pay_{number}"
    assert [request.path for request in server.requests] == [
        f"/v1/payments/pay_{number}" for number in range(10)
    ]


def test_ordinary_views_share_one_client() -> None:
    with serve(echo) as server, PaySaferClient(SECRET_KEY, base_url=server.base_url) as client:
        app = Flask(__name__)
        app.add_url_rule(
            "/<payment_id>", view_func=lambda payment_id: client.payments.retrieve(payment_id).id
        )
        browser = app.test_client()
        for number in range(3):
            assert browser.get(f"/pay_{number}").text == f"pay_{number}"
    assert len(server.connections) == 1
