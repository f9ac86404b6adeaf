"""The fields that requests may hold: one table that is both enforced and published.

Each kind of field has ``check`` (returns the value, or raises an :class:`ApiError` that
names the field) and ``schema`` (the same rule as JSON Schema for the OpenAPI file), so that
the two can't disagree. JSON's types are taken strictly: ``true`` is no integer, and ``null``
may not be sent.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ..money import CURRENCIES
from .errors import ApiError, invalid

Schema = dict[str, Any]


class Kind(ABC):
    """A kind of field."""

    @abstractmethod
    def check(self, value: Any, param: str) -> Any:
        """Return the value if the field ``param`` may hold it.

        :raises ApiError: if it may not.
        """

    @abstractmethod
    def schema(self) -> Schema:
        """Return the same rule as JSON Schema."""


@dataclass(frozen=True)
class Integer(Kind):
    """A whole number."""

    minimum: int
    maximum: int

    def check(self, value: Any, param: str) -> int:
        if type(value) is not int:
            raise invalid(param, "must be an integer.")
        if not self.minimum <= value <= self.maximum:
            raise invalid(param, f"must be from {self.minimum} to {self.maximum}.")
        return value

    def schema(self) -> Schema:
        return {"type": "integer", "minimum": self.minimum, "maximum": self.maximum}


@dataclass(frozen=True)
class Flag(Kind):
    """True or false."""

    def check(self, value: Any, param: str) -> bool:
        if not isinstance(value, bool):
            raise invalid(param, "must be true or false.")
        return value

    def schema(self) -> Schema:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Text(Kind):
    """A string, perhaps of one form."""

    maximum: int
    pattern: str | None = None
    meaning: str = ""
    """The pattern in words, for the error message."""

    def check(self, value: Any, param: str) -> str:
        if not isinstance(value, str):
            raise invalid(param, "must be a string.")
        if len(value) > self.maximum:
            raise invalid(param, f"must be at most {self.maximum} characters long.")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise invalid(param, f"must be {self.meaning}.")
        return value

    def schema(self) -> Schema:
        schema: Schema = {"type": "string", "maxLength": self.maximum}
        if self.pattern:
            schema["pattern"] = f"^{self.pattern}$"
        return schema


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few strings."""

    values: tuple[str, ...]

    def check(self, value: Any, param: str) -> str:
        if not isinstance(value, str) or value not in self.values:
            raise invalid(param, f"must be one of {', '.join(self.values)}.")
        return value

    def schema(self) -> Schema:
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True)
class AnyObject(Kind):
    """An object whose fields are checked later, or by nobody."""

    def check(self, value: Any, param: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(param, "must be an object.")
        return value

    def schema(self) -> Schema:
        return {"type": "object"}


@dataclass(frozen=True)
class Number(Kind):
    """A number that may have a fraction, such as seconds."""

    maximum: float

    def check(self, value: Any, param: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise invalid(param, "must be a number.")
        if not 0 <= value <= self.maximum:
            raise invalid(param, f"must be from 0 to {self.maximum:g}.")
        return float(value)

    def schema(self) -> Schema:
        return {"type": "number", "minimum": 0, "maximum": self.maximum}


@dataclass(frozen=True)
class StringMap(Kind):
    """An object of strings: metadata."""

    keys: int = 50
    key_length: int = 40
    value_length: int = 500

    def check(self, value: Any, param: str) -> dict[str, str]:
        if not isinstance(value, dict):
            raise invalid(param, "must be an object of strings.")
        if len(value) > self.keys:
            raise invalid(param, f"must hold at most {self.keys} keys.")
        for name, text in value.items():
            self._check_pair(name, text, param)
        return dict(value)

    def _check_pair(self, name: str, text: Any, param: str) -> None:
        if not 1 <= len(name) <= self.key_length:
            raise invalid(param, f"its keys must be 1 to {self.key_length} characters long.")
        if not isinstance(text, str):
            raise invalid(f"{param}[{name}]", "must be a string.")
        if len(text) > self.value_length:
            raise invalid(
                f"{param}[{name}]", f"must be at most {self.value_length} characters long."
            )

    def schema(self) -> Schema:
        return {
            "type": "object",
            "maxProperties": self.keys,
            "propertyNames": {"minLength": 1, "maxLength": self.key_length},
            "additionalProperties": {"type": "string", "maxLength": self.value_length},
        }


@dataclass(frozen=True)
class Several(Kind):
    """A list without repetitions."""

    item: Kind
    minimum: int = 1

    def check(self, value: Any, param: str) -> list[Any]:
        if not isinstance(value, list) or len(value) < self.minimum:
            raise invalid(param, f"must be a list of at least {self.minimum}.")
        items = [self.item.check(item, f"{param}[{place}]") for place, item in enumerate(value)]
        if len(set(items)) < len(items):
            raise invalid(param, "must not name anything twice.")
        return items

    def schema(self) -> Schema:
        return {
            "type": "array",
            "minItems": self.minimum,
            "uniqueItems": True,
            "items": self.item.schema(),
        }


@dataclass(frozen=True)
class Record(Kind):
    """An object with known fields; the body of a request is one."""

    fields: dict[str, Kind]
    required: tuple[str, ...] = ()

    def check(self, value: Any, param: str = "") -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(param or "body", "must be a JSON object.")
        for name in value:
            if name not in self.fields:
                self._refuse("parameter_unknown", "Received unknown parameter", param, name)
        for name in self.required:
            if name not in value:
                self._refuse("parameter_missing", "Missing required parameter", param, name)
        return {
            name: self.fields[name].check(given, _inside(param, name))
            for name, given in value.items()
        }

    def _refuse(self, failure: str, message: str, param: str, name: str) -> None:
        # A name can be as long as the body: the message repeats only its beginning.
        path = _inside(param, name)[:200]
        raise ApiError(failure, f"{message}: {path}", param=path)

    def schema(self) -> Schema:
        schema: Schema = {
            "type": "object",
            "properties": {name: kind.schema() for name, kind in self.fields.items()},
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = list(self.required)
        return schema


def _inside(param: str, name: str) -> str:
    return f"{param}[{name}]" if param else name


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


MAX_AMOUNT = 99_999_999_999

AMOUNT = Integer(1, MAX_AMOUNT)
CURRENCY = Text(
    3, f"({'|'.join(sorted(CURRENCIES))})", "a currency of ISO 4217 in lower case, such as aed"
)
EMAIL = Text(254, "[!-?A-~]+@[!-?A-~]+", "an e-mail address")
_HEX = "[0-9A-Fa-f]{1,4}"
_IPV6 = rf"\[(::{_HEX}|({_HEX}:){{1,6}}:{_HEX}|({_HEX}:){{7}}{_HEX})\]"
_PORT = "[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
LINK = Text(
    2048,
    rf"https?://([A-Za-z0-9._-]+|{_IPV6})(:({_PORT}))?([/?#][!-~]*)?",
    "an http:// or https:// address without a user in it",
)
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
        "save_payment_method": Flag(),
        "off_session": Flag(),
    },
    required=("amount", "currency"),
)
CONFIRM_PAYMENT = Record({"payment_method": PAYMENT_METHOD, "return_url": LINK})
CAPTURE_PAYMENT = Record({"amount": AMOUNT})
CANCEL_PAYMENT = Record({})
REFUND_PAYMENT = Record({"amount": AMOUNT, "reason": Text(500)})

CUSTOMER = Record({"email": EMAIL, "name": Text(256), "phone": Text(64), "metadata": StringMap()})

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
