"""What each call of the API may be sent."""

from __future__ import annotations

from ..money import check_currency
from .fields import Choice, Flag, Integer, Kind, Record, Several, StringMap, Text

EVENT_TYPES = (
    "payment.created",
    "payment.completed",
    "payment.failed",
    "payment.refunded",
    "customer.created",
    "customer.updated",
    "payout.completed",
    "payout.failed",
    "dispute.created",
    "dispute.resolved",
)
"""The documented types of events."""


def _unknown_currency(code: str) -> str | None:
    try:
        check_currency(code)
    except ValueError as error:
        return str(error)
    return None


MAX_AMOUNT = 99_999_999_999

AMOUNT = Integer(1, MAX_AMOUNT)
CURRENCY = Text(
    3, "[a-z]{3}", "a currency in three lower-case letters, such as aed", rule=_unknown_currency
)
EMAIL = Text(254, "[!-?A-~]+@[!-?A-~]+", "an e-mail address")
LINK = Text(2048, r"https?://[!-.0->@-~][!-~]*", "an http:// or https:// address")
DESCRIPTION = Text(1000)
_REFERENCE = "the id of an object, such as {}"
PAYMENT_METHOD = Text(255, "(pm|tok)_[!-~]+", "a payment method (pm_…) or a token (tok_…)")

CREATE_PAYMENT = Record(
    {
        "amount": AMOUNT,
        "currency": CURRENCY,
        "payment_method": PAYMENT_METHOD,
        "description": DESCRIPTION,
        "customer": Text(255, "cus_[!-~]+", _REFERENCE.format("cus_…")),
        "metadata": StringMap(),
        "receipt_email": EMAIL,
        "capture_method": Choice(("automatic", "manual")),
        "confirm": Flag(),
        "return_url": LINK,
    },
    required=("amount", "currency"),
)
CONFIRM_PAYMENT = Record({"payment_method": PAYMENT_METHOD, "return_url": LINK})
CAPTURE_PAYMENT = Record({"amount": AMOUNT})
CANCEL_PAYMENT = Record({})
REFUND_PAYMENT = Record({"amount": AMOUNT, "reason": Text(500)})

_CUSTOMER_FIELDS: dict[str, Kind] = {
    "email": EMAIL,
    "name": Text(256),
    "phone": Text(64),
    "metadata": StringMap(),
}
CREATE_CUSTOMER = Record(_CUSTOMER_FIELDS)
UPDATE_CUSTOMER = Record(_CUSTOMER_FIELDS)

CREATE_ENDPOINT = Record(
    {"url": LINK, "enabled_events": Several(Choice(("*", *EVENT_TYPES)))}, required=("url",)
)

CARD = Record(
    {
        "number": Text(19, "[0-9]{12,19}", "a card number: 12 to 19 digits"),
        "exp_month": Integer(1, 12),
        "exp_year": Integer(2000, 2100),
        "cvc": Text(4, "[0-9]{3,4}", "3 or 4 digits"),
        "name": Text(256),
    },
    required=("number", "exp_month", "exp_year", "cvc"),
)
CREATE_TOKEN = Record({"card": CARD}, required=("card",))

NO_BODY = Record({})

_MOMENT = Integer(0, 99_999_999_999)
_COMPARISONS = ("gte", "gt", "lte", "lt")
LIST_QUERY = Record(
    {
        "limit": Integer(1, 100),
        "starting_after": Text(255, "[!-~]+", "the id of an object of this list"),
        "ending_before": Text(255, "[!-~]+", "the id of an object of this list"),
        **{f"created[{comparison}]": _MOMENT for comparison in _COMPARISONS},
    }
)
NO_QUERY = Record({})
