"""Payment methods: the test cards, tokens of cards typed into a form, and saved cards.

A token pays once. A saved card (``pm_…``) belongs to one customer, pays any number of times,
expires with its card on the virtual clock, and is deleted with its customer. Real card
numbers are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from .errors import ApiError, invalid
from .resources import Account, Result
from .store import Row, shown


class Decline(NamedTuple):
    """Why a card is declined."""

    code: str
    decline_code: str
    message: str
    """The text for the cardholder."""


@dataclass(frozen=True)
class Card:
    """One row of the table of test cards."""

    name: str
    """The first name it has after ``pm_card_``."""
    number: str
    """The number to type into a form."""
    brand: str = "visa"
    decline: Decline | None = None
    challenge: Literal["never", "once", "always"] = "never"
    """Whether the bank asks the cardholder: ``once`` is until the card is saved."""
    away: Decline | None = None
    """The decline while the customer is away (``off_session``)."""
    away_declines: int | None = None
    """How many off-session charges get it; None: all."""
    is_disputed: bool = False
    """Whether each of its payments is disputed at once."""


def _card_declined(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", decline_code, message)


_NO_FUNDS = _card_declined("insufficient_funds", "Your card has insufficient funds.")
_LOST = _card_declined("lost_card")
_GENERIC = _card_declined("generic_decline")
_FAST = _card_declined(
    "card_velocity_exceeded", "Your card was declined for too many charges in a short time."
)
_EXPIRED = Decline("expired_card", "expired_card", "Your card has expired.")
_CVC = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_PROCESSING = Decline(
    "processing_error",
    "processing_error",
    "An error occurred while processing your card. Try again in a little while.",
)
AUTHENTICATION_REQUIRED = Decline(
    "authentication_required",
    "authentication_required",
    "Your card's bank asks you to authenticate this payment.",
)
"""How a card that needs the cardholder is declined while the customer is away."""

_CARDS = (
    Card("visa", "4242424242424242"),
    Card("mastercard", "5555555555554444", "mastercard"),
    Card("amex", "378282246310005", "amex"),
    Card("chargeDeclined", "4000000000000002", decline=_GENERIC),
    Card("visa_chargeDeclinedInsufficientFunds", "4000000000009995", decline=_NO_FUNDS),
    Card("visa_chargeDeclinedLostCard", "4000000000009987", decline=_LOST),
    Card(
        "visa_chargeDeclinedStolenCard",
        "4000000000009979",
        decline=_card_declined("stolen_card"),
    ),
    Card("visa_chargeDeclinedVelocityLimitExceeded", "4000000000006975", decline=_FAST),
    Card("chargeDeclinedExpiredCard", "4000000000000069", decline=_EXPIRED),
    Card("chargeDeclinedIncorrectCvc", "4000000000000127", decline=_CVC),
    Card("chargeDeclinedProcessingError", "4000000000000119", decline=_PROCESSING),
    Card("authenticationRequired", "4000002760003184", challenge="always"),
    Card(
        "threeDSecureRequiredChargeDeclined",
        "4000008400001629",
        decline=_GENERIC,
        challenge="always",
    ),
    Card("createDispute", "4000000000000259", is_disputed=True),
    Card("attachThenDecline", "4000000000000341", away=_NO_FUNDS),
    Card("attachThenAuthenticate", "4000002500003155", challenge="once"),
    Card("attachThenLost", "4000000000009235", away=_LOST),
    Card("fundsLater", "4000000000003220", away=_NO_FUNDS, away_declines=2),
)

BY_NAME = {card.name: card for card in _CARDS}
"""The cards by the name that a payment keeps."""
BY_NUMBER = {card.number: card for card in _CARDS}
"""The cards by number."""
_BY_PAYMENT_METHOD = {f"pm_card_{card.name}": card for card in _CARDS} | {
    "pm_card_visa_chargeDeclined": BY_NAME["chargeDeclined"]
}


def create_token(account: Account, data: dict[str, Any]) -> Result:
    """Make a token that pays once. The number and the CVC are forgotten here."""
    given = data["card"]
    card = BY_NUMBER.get(given["number"])
    if card is None:
        raise invalid(
            "card[number]",
            "not one of the sandbox's test cards. Never send a real card to a sandbox.",
        )
    details = _details(card, given["exp_month"], given["exp_year"])
    token = account.new("tok", "token", {"card": details, "used": False, "_card": card.name})
    return Result(shown(token))


def _details(card: Card, exp_month: int, exp_year: int) -> dict[str, Any]:
    last4 = card.number[-4:]
    return {"brand": card.brand, "last4": last4, "exp_month": exp_month, "exp_year": exp_year}


def use_payment_method(account: Account, method: str, customer: str | None) -> Row:
    """Return a payment's fields for ``method``; a token is used up by this.

    :raises ApiError: 400 for one that is unknown, used up, or of another customer.
    """
    card = _BY_PAYMENT_METHOD.get(method)
    if card is not None:
        details = _details(card, 12, datetime.fromtimestamp(account.now(), UTC).year + 3)
        return _fields(method, card.name, details)
    if method.startswith("tok_"):
        token = account.refer("token", method, "payment_method")
        if token["used"]:
            raise invalid("payment_method", "this token was used already; make a new one.")
        account.put("token", {**token, "used": True})
        return _fields(method, token["_card"], token["card"])
    saved = account.get("payment_method", method)
    if saved is None or saved["customer"] != customer:
        raise ApiError(
            "reference_missing",
            f"No such payment_method: {method[:100]}. The sandbox knows pm_card_visa, the other "
            "test cards, and the cards that this payment's own customer has saved.",
            param="payment_method",
        )
    return _fields(method, saved["_card"], saved["card"], is_saved=True)


def _fields(method: str, card: str, details: Row, *, is_saved: bool = False) -> Row:
    return {
        "payment_method": method,
        "payment_method_details": {"card": details},
        "_card": card,
        "_is_saved": is_saved,
    }


def decide(account: Account, payment: Row, *, off_session: bool) -> Decline | None:
    """Return why the payment's card is declined now, or None."""
    card = BY_NAME[payment["_card"]]
    details = payment["payment_method_details"]["card"]
    today = datetime.fromtimestamp(account.now(), UTC)
    if (today.year, today.month) > (details["exp_year"], details["exp_month"]):
        return _EXPIRED
    if off_session and card.challenge != "never":
        return AUTHENTICATION_REQUIRED
    if off_session and card.away and _is_away_declined(account, payment["payment_method"], card):
        return card.away
    return card.decline


def _is_away_declined(account: Account, method: str, card: Card) -> bool:
    """Count one off-session charge, and tell whether it is one of those that are declined."""
    used = account.get("card_use", method) or {"id": method, "charges": 0}
    account.put("card_use", {**used, "charges": used["charges"] + 1})
    return card.away_declines is None or used["charges"] < card.away_declines


def needs_challenge(payment: Row) -> bool:
    """Whether the bank asks the cardholder, who is there."""
    challenge = BY_NAME[payment["_card"]].challenge
    return challenge == "always" or (challenge == "once" and not payment["_is_saved"])


def save_card(account: Account, payment: Row) -> Row:
    """Return the payment with a new saved card of its customer, if it asked for one.

    Asking is for a token: a card that is saved already stays the one.
    """
    method = payment["payment_method"]
    customer = payment["customer"] and account.get("customer", payment["customer"])
    if not (payment["_save"] and customer and method.startswith("tok_")):
        return payment
    saved = account.new(
        "pm",
        "payment_method",
        {
            "customer": payment["customer"],
            "card": payment["payment_method_details"]["card"],
            "_card": payment["_card"],
        },
    )
    return {**payment, "payment_method": saved["id"], "_is_saved": True}
