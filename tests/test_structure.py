"""How much of the package somebody reads who follows one webhook, one sale or one API call.

Each walk runs once to warm up and once under a profile function, which sees every function
called. Only the package's own count, without the local PaySafer, which answers in the same
process. ``python -m tests.test_structure`` prints the figures.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import tempfile
import threading
import tokenize
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from html import unescape
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from celery import Celery
from celery.contrib.testing.worker import start_worker
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

import flask_paysafer
from flask_paysafer import CheckoutOrder, Money, PaySafer, Webhook
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.testing import payment_completed
from tests.waiting import wait_for

PACKAGE = Path(flask_paysafer.__file__).parent
NOT_OURS = (PACKAGE / "sandbox", PACKAGE / "testing")
COMPREHENSIONS = {"<dictcomp>", "<genexpr>", "<listcomp>", "<setcomp>"}
"""Functions to Python (before 3.12), but not to a reader."""

SECRET = "whsec_0123456789abcdef"

MOST_FUNCTIONS = {"inline webhook, db=": 150}
MOST_FILES = {
    "inline webhook, db=": 25,
    "webhook on Celery": 26,
    "checkout POST": 36,  # with the local event checkout.paid, which is handled in the request
    "payments.create": 12,
}

ADDED = {
    "subscriptions and saved cards": ("subscriptions/", "inbox/cards.py", "inbox/local.py"),
    "the API's profile": ("profile.py", "translation.py", "cli/probe"),
    "merchants' own sessions and engines": ("webhooks/sessions.py", "inbox/merchant.py"),
    "the kit's customer": ("testing/customer.py",),
    "checkouts and subscriptions on the command line": ("cli/checkouts.py", "cli/subscriptions.py"),
}
"""What was added since the package was last made smaller, by where it is."""

MOST_MODULES, MOST_LINES = 135, 21_000
"""For all but what was added. Lower these, and those above, where the code became simpler."""


@dataclass
class Walk:
    """The functions of the package that ran, by file."""

    functions: set[tuple[str, str]] = field(default_factory=set)
    files: set[str] = field(default_factory=set)

    def forget(self) -> None:
        self.functions.clear()
        self.files.clear()

    def __str__(self) -> str:
        return f"{len(self.functions)} functions in {len(self.files)} files"

    def note(self, frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            path = Path(code.co_filename)
            if not any(path.is_relative_to(folder) for folder in NOT_OURS):
                self.files.add(str(path.relative_to(PACKAGE)))
                if code.co_name not in COMPREHENSIONS:
                    self.functions.add((str(path.relative_to(PACKAGE)), code.co_qualname))


@contextmanager
def walking() -> Iterator[Walk]:
    """Note what is called in this thread, and in those that begin now."""
    walk = Walk()
    threading.setprofile(walk.note)
    sys.setprofile(walk.note)
    try:
        yield walk
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def shop(folder: Path, **settings: Any) -> Flask:
    app = Flask("shop", instance_path=str(folder))
    app.config.update(
        SECRET_KEY="a long random value of the tests",
        TESTING=True,
        PAYSAFER_SECRET_KEY="sk_test_acmeshop1",
        PAYSAFER_PUBLISHABLE_KEY="pk_test_acmeshop1",
        PAYSAFER_WEBHOOK_SECRET=SECRET,
        **settings,
    )
    return app


def event_request() -> dict[str, Any]:
    """Return a signed delivery of an event of its own."""
    body = json.dumps(payment_completed()).encode()
    return {"data": body, "headers": {"PaySafer-Signature": Webhook.sign(body, SECRET)}}


def deliver(app: Flask, request: dict[str, Any]) -> None:
    answer = app.test_client().post("/paysafer/webhook", **request)
    assert answer.status_code == 200, answer.text


def inline_webhook(folder: Path) -> Walk:
    """One event with ``db=``: verified, stored, handled and committed in its request."""
    db = SQLAlchemy()
    paysafer = PaySafer(db=db)
    app = shop(folder)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/shop.db"
    db.init_app(app)
    paysafer.init_app(app)
    paysafer.on("payment.completed")(lambda event: None)
    with app.app_context():
        db.create_all()
    first, second = event_request(), event_request()
    deliver(app, first)
    with walking() as walk:
        deliver(app, second)
    with app.app_context():
        db.engine.dispose()
    return walk


def queued_webhook(folder: Path) -> Walk:
    """One event on Celery: from the request to the end of the worker's task."""
    celery = Celery("shop", broker="memory://", set_as_current=False)
    celery.conf.update(worker_hijack_root_logger=False, task_ignore_result=True)
    paysafer = PaySafer()
    app = shop(folder, PAYSAFER_DISPATCH="celery")
    app.extensions["celery"] = celery
    paysafer.init_app(app)
    handled: list[str] = []
    paysafer.on("payment.completed")(lambda event: handled.append(event.id))
    first, second = event_request(), event_request()
    with (
        walking() as walk,
        start_worker(celery, pool="solo", perform_ping_check=False, shutdown_timeout=60),
    ):
        deliver(app, first)
        wait_for(lambda: len(handled) == 1, "the first event")
        walk.forget()
        deliver(app, second)
        wait_for(lambda: len(handled) == 2, "the second event")
    return walk


@contextmanager
def selling(folder: Path) -> Iterator[tuple[Flask, PaySafer]]:
    """A shop with a checkout, and a PaySafer beside it in this process."""
    with Sandbox() as sandbox:
        paysafer = PaySafer(transport=sandbox.transport())
        app = shop(folder, PAYSAFER_API_BASE="http://127.0.0.1:4242/v1")
        paysafer.init_app(app)

        @paysafer.order_loader
        def load(reference: str) -> CheckoutOrder:
            return CheckoutOrder(
                reference=reference, amount=Money(15000, "aed"), success_url="/thanks"
            )

        yield app, paysafer


def checkout_post(folder: Path) -> Walk:
    """The form of a checkout, sent with a card's token: one payment, on our side alone."""
    with selling(folder) as (app, paysafer):
        pay(app, paysafer, "1234", Walk())
        pay(app, paysafer, "1235", walk := Walk())
    return walk


def pay(app: Flask, paysafer: PaySafer, reference: str, walk: Walk) -> None:
    card: Any = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2030, "cvc": "123"}
    with app.app_context():
        token = paysafer.client.tokens.create(card=card).id
    browser, page = app.test_client(), f"/paysafer/checkout/{reference}"
    hidden = dict(
        re.findall(r'type="?hidden"? name="?([^" ]+)"? value="([^"]*)"', browser.get(page).text)
    )
    fields = {name: unescape(value) for name, value in hidden.items()} | {"token": token}
    with walking() as walked:
        answer = browser.post(page, data=fields)
    assert answer.status_code == 303, answer.text
    walk.functions |= walked.functions
    walk.files |= walked.files


def payments_create(folder: Path) -> Walk:
    """``client.payments.create``, from the call to the object it returns."""
    with selling(folder) as (app, paysafer), app.app_context():
        client = paysafer.client
        client.payments.create(amount=15000, currency="aed")
        with walking() as walk:
            client.payments.create(amount=15000, currency="aed")
    return walk


@cache
def code_lines(path: Path) -> int:
    """Return the lines that hold code: no comments, blank lines or docstrings."""
    source = path.read_text("utf-8")
    texts: set[int] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and _is_text(node.value):
            texts.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER, tokenize.STRING):
            lines.update(range(token.start[0], token.end[0] + 1))
    return len(lines - texts)


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


WALKS: dict[str, Callable[[Path], Walk]] = {
    "inline webhook, db=": inline_webhook,
    "webhook on Celery": queued_webhook,
    "checkout POST": checkout_post,
    "payments.create": payments_create,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WALKS)
def test_a_walk_stays_short(name: str, tmp_path: Path) -> None:
    walk = WALKS[name](tmp_path)
    print(f"{name}: {walk}")
    assert len(walk.files) <= MOST_FILES[name], sorted(walk.files)
    if name in MOST_FUNCTIONS:
        assert len(walk.functions) <= MOST_FUNCTIONS[name], sorted(walk.functions)


def test_the_package_stays_small() -> None:
    modules, lines = size_by_feature()[""]
    assert modules <= MOST_MODULES
    assert lines <= MOST_LINES


def size_by_feature() -> dict[str, tuple[int, int]]:
    """Return modules and lines of code of each addition, and, under ``""``, of all else."""
    sizes = dict.fromkeys(["", *ADDED], (0, 0))
    for path in PACKAGE.rglob("*.py"):
        place = str(path.relative_to(PACKAGE))
        feature = next((name for name, starts in ADDED.items() if place.startswith(starts)), "")
        modules, lines = sizes[feature]
        sizes[feature] = (modules + 1, lines + code_lines(path))
    return sizes


def main() -> None:
    for feature, (modules, lines) in size_by_feature().items():
        print(f"{feature or 'package':36} {modules} modules, {lines} lines of code")
    for name, walk in WALKS.items():
        with tempfile.TemporaryDirectory() as folder:
            found = walk(Path(folder))
        print(f"{name:36} {found}")
        if "-v" in sys.argv:
            for file in sorted(found.files):
                print("   ", file, *sorted(n for f, n in found.functions if f == file))


if __name__ == "__main__":
    main()
