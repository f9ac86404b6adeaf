"""The test cards: what each does. Real card numbers are refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Behaviour = Literal["good", "declined", "challenge", "challenge_declined", "disputed"]


@dataclass(frozen=True)
class Card:
    """One row of the table of test cards."""

    name: str
    """The first name it has after ``pm_card_``."""
    number: str
    """The number to type into a form."""
    brand: str
    result: Behaviour
    code: str = ""
    """The error's code when it declines."""
    decline_code: str = ""
    message: str = ""
    """What the cardholder is told when it declines."""

    @property
    def needs_challenge(self) -> bool:
        """Whether the cardholder must authenticate first."""
        return self.result in {"challenge", "challenge_declined"}

    @property
    def declines(self) -> bool:
        """Whether the money is refused in the end."""
        return self.result in {"declined", "challenge_declined"}


def _declined(name: str, number: str, decline_code: str, message: str) -> Card:
    return Card(name, number, "visa", "declined", "card_declined", decline_code, message)


def _refused(name: str, number: str, code: str, message: str) -> Card:
    return Card(name, number, "visa", "declined", code, code, message)


_CARDS = (
    Card("visa", "4242424242424242", "visa", "good"),
    Card("mastercard", "5555555555554444", "mastercard", "good"),
    Card("amex", "378282246310005", "amex", "good"),
    _declined("chargeDeclined", "4000000000000002", "generic_decline", "Your card was declined."),
    _declined(
        "visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        "insufficient_funds",
        "Your card has insufficient funds.",
    ),
    _declined(
        "visa_chargeDeclinedLostCard", "4000000000009987", "lost_card", "Your card was declined."
    ),
    _declined(
        "visa_chargeDeclinedStolenCard",
        "4000000000009979",
        "stolen_card",
        "Your card was declined.",
    ),
    _declined(
        "visa_chargeDeclinedVelocityLimitExceeded",
        "4000000000006975",
        "card_velocity_exceeded",
        "Your card was declined for too many charges in a short time.",
    ),
    _refused(
        "chargeDeclinedExpiredCard", "4000000000000069", "expired_card", "Your card has expired."
    ),
    _refused(
        "chargeDeclinedIncorrectCvc",
        "4000000000000127",
        "incorrect_cvc",
        "Your card's security code is incorrect.",
    ),
    _refused(
        "chargeDeclinedProcessingError",
        "4000000000000119",
        "processing_error",
        "An error occurred while processing your card. Try again in a little while.",
    ),
    Card("authenticationRequired", "4000002760003184", "visa", "challenge"),
    Card(
        "threeDSecureRequiredChargeDeclined",
        "4000008400001629",
        "visa",
        "challenge_declined",
        "card_declined",
        "generic_decline",
        "Your card was declined.",
    ),
    Card("createDispute", "4000000000000259", "visa", "disputed"),
)

BY_NAME = {card.name: card for card in _CARDS}
"""The cards by the name that a payment keeps."""
BY_NUMBER = {card.number: card for card in _CARDS}
"""The cards by number."""
BY_PAYMENT_METHOD = {f"pm_card_{card.name}": card for card in _CARDS} | {
    "pm_card_visa_chargeDeclined": BY_NAME["chargeDeclined"]
}
"""The cards by what an API call names."""
