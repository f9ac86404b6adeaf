"""Payment methods: test cards by name, and tokens of cards typed into a form."""

from __future__ import annotations

from typing import Any

from .account import Account, Result
from .cards import BY_NAME, BY_NUMBER, BY_PAYMENT_METHOD, Card
from .failures import ApiError, invalid
from .ledger import shown


def create_token(account: Account, data: dict[str, Any]) -> Result:
    """Make a token that pays once. The number and the CVC are forgotten here."""
    given = data["card"]
    card = BY_NUMBER.get(given["number"])
    if card is None:
        raise invalid(
            "card[number]",
            "not one of the sandbox's test cards. Never send a real card to a sandbox.",
        )
    token = account.new(
        "tok",
        "token",
        {
            "card": {
                "brand": card.brand,
                "last4": card.number[-4:],
                "exp_month": given["exp_month"],
                "exp_year": given["exp_year"],
            },
            "used": False,
            "_card": card.name,
        },
    )
    return Result(shown(token))


def take_payment_method(account: Account, method: str) -> Card:
    """Return the card behind ``method``; a token is used up by this.

    :raises ApiError: 400 for one that is unknown or used up.
    """
    if method.startswith("tok_"):
        return _take_token(account, method)
    try:
        return BY_PAYMENT_METHOD[method]
    except KeyError:
        raise ApiError(
            "reference_missing",
            f"No such payment_method: {method[:100]}. The sandbox knows pm_card_visa and the "
            "other test cards.",
            param="payment_method",
        ) from None


def _take_token(account: Account, token_id: str) -> Card:
    token = account.refer("token", token_id, "payment_method")
    if token["used"]:
        raise invalid("payment_method", "this token was used already; make a new one.")
    account.put("token", {**token, "used": True})
    return BY_NAME[token["_card"]]
