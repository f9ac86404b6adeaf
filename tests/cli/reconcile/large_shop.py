"""Run by a test in a process of its own: reconcile so many payments, print the memory used."""

from __future__ import annotations

import os
import resource
import sys

import httpx
from flask import Flask
from flask.cli import ScriptInfo

from flask_paysafer import PaySafer


def main(count: int, folder: str) -> None:
    app = Flask("shop", instance_path=folder)
    app.config["PAYSAFER_SECRET_KEY"] = "sk_test_largeshop1"
    app.config["PAYSAFER_WEBHOOK_SECRET"] = "whsec_largeshop1234"
    paysafer = PaySafer(app, transport=httpx.MockTransport(lambda request: _page(request, count)))
    paysafer.on("payment.completed", name="fulfil")(lambda event: None)
    arguments = ["paysafer", "reconcile", "--since", "2001-01-01", "--json"]
    with open(os.devnull, "w") as rows:  # noqa: PTH123 (the rows are not wanted)
        out, sys.stdout = sys.stdout, rows
        app.cli.main(arguments, standalone_mode=False, obj=ScriptInfo(create_app=lambda: app))
        sys.stdout = out
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _page(request: httpx.Request, count: int) -> httpx.Response:
    after = request.url.params.get("starting_after", f"pay_{count}")
    newest = int(after.partition("_")[2]) - 1
    numbers = range(newest, max(newest - 100, -1), -1)
    data = [_payment(number) for number in numbers]
    return httpx.Response(200, json={"object": "list", "data": data, "has_more": newest > 99})


def _payment(number: int) -> dict[str, object]:
    return {
        "id": f"pay_{number}",
        "object": "payment",
        "created": 1_700_000_000 + number,
        "status": "succeeded",
        "amount": 15000,
        "currency": "aed",
        "description": "Coffee, 1 kg " * 20,
        "livemode": False,
    }


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
