"""The page that stands for the cardholder's bank: pass or refuse, then back to the shop."""

from __future__ import annotations

from flask import Blueprint, abort, redirect, render_template, request
from flask.typing import ResponseReturnValue

from ..money import Money
from .account import Account
from .engine import Engine
from .ledger import Row
from .payments import CHALLENGE_PATH
from .triggers import authenticate

_ANSWERS = {"pass": True, "refuse": False}


def challenge_pages(engine: Engine) -> Blueprint:
    """Return the page's routes. Its address can't be guessed, so it asks for no key."""
    pages = Blueprint("challenge", __name__)

    @pages.get(f"{CHALLENGE_PATH}<challenge>")
    def show(challenge: str) -> ResponseReturnValue:
        with engine.ledger.changed:
            _, payment = _find(engine, challenge)
        return _page(payment, challenge)

    @pages.post(f"{CHALLENGE_PATH}<challenge>")
    def answer(challenge: str) -> ResponseReturnValue:
        passed = _ANSWERS.get(request.form.get("result", ""))
        if passed is None:
            abort(400, "result must be pass or refuse.")
        with engine.ledger.transaction():
            account, payment = _find(engine, challenge)
            if _waits(payment, challenge):
                payment = authenticate(engine, account, payment, passed=passed)
        if payment["_return_url"]:
            return redirect(payment["_return_url"], 303)
        return _page(payment, challenge)

    return pages


def _find(engine: Engine, challenge: str) -> tuple[Account, Row]:
    for realm, row in engine.ledger.rows("challenge"):
        if row["id"] == challenge:
            account = engine.account(realm)
            return account, account.find("payment", row["payment"])
    return abort(404, "There is no such page: the payment is unknown, or the sandbox was emptied.")


def _waits(payment: Row, challenge: str) -> bool:
    """Tell whether the payment waits for this very challenge, not for a later one."""
    waiting = payment.get("next_action")
    return bool(waiting and waiting["redirect_to_url"]["url"].endswith(CHALLENGE_PATH + challenge))


def _page(payment: Row, challenge: str) -> str:
    return render_template(
        "challenge.html",
        payment=payment,
        amount=Money(payment["amount"], payment["currency"]),
        waiting=_waits(payment, challenge),
        return_url=payment["_return_url"],
    )
