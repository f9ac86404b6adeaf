"""The parameters of the API client's calls, as types: ``def pay(**params: Unpack[CreatePayment])``.

Each field is written once: its type for type checkers, its meaning for readers, and the
check that it passes before anything is sent. None means that a parameter is not given.

The checks raise ``TypeError`` or ``ValueError`` and never quote the value, which may be a
card number.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Required, TypedDict, get_args, get_origin, get_type_hints
from urllib.parse import quote, unquote

from .idempotency import check_key
from .money import check_currency

__all__ = [
    "CallOptions",
    "CapturePayment",
    "Card",
    "ConfirmPayment",
    "CreateCustomer",
    "CreatePayment",
    "CreateToken",
    "CreateWebhookEndpoint",
    "ListParameters",
    "RefundPayment",
    "UpdateCustomer",
]

Check = Callable[[str, object], Any]

_MAX_ID = 255
_MAX_PAGE = 100
_METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
_PATH = re.compile(r"(?:[A-Za-z0-9._~/!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+")
_BOUNDS = ("gt", "gte", "lt", "lte")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "te",
        "transfer-encoding",
    }
)


def _amount(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} must be whole minor units as int (15000 for AED 150.00), "
            f"not {type(value).__name__}."
        )
    if value < 1:
        raise ValueError(f"{name} must be at least 1 minor unit.")
    return value


def _currency(_: str, value: object) -> str:
    return check_currency(value)


def text(name: str, value: object) -> str:
    """Return a text that can be encoded."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be str, not {type(value).__name__}.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} holds half of a surrogate pair, which is no text.") from None
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be bool, not {type(value).__name__}.")
    return value


def integer(name: str, value: object, *, at_least: int = 0) -> int:
    """Return a whole number that is not too small."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be int, not {type(value).__name__}.")
    if value < at_least:
        raise ValueError(f"{name} must be at least {at_least}.")
    return value


def _page_size(name: str, value: object) -> int:
    size = integer(name, value, at_least=1)
    if size > _MAX_PAGE:
        raise ValueError(f"{name} must be at most {_MAX_PAGE}; iterate to get more.")
    return size


def seconds(name: str, value: object) -> float:
    """Return a time span above zero."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}.")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a number of seconds above 0.")
    return float(value)


def _identifier(name: str, value: object) -> str:
    checked = text(name, value)
    if not checked.strip() or checked in {".", ".."}:
        raise ValueError(f"{name} is empty or dots, which would address another resource.")
    if len(checked) > _MAX_ID or not checked.isprintable() or set(checked) & set("/\\"):
        raise ValueError(
            f"{name} must be the id of one object, without slashes or control characters."
        )
    return checked


def path_segment(name: str, value: object) -> str:
    """Return an id, quoted so that it stays one segment of the path."""
    return quote(_identifier(name, value), safe="")


def http_method(name: str, value: object) -> str:
    """Return an HTTP method in upper case."""
    method = text(name, value).upper()
    if method not in _METHODS:
        raise ValueError(f"{name} must be one of {', '.join(_METHODS)}.")
    return method


def relative_path(name: str, value: object) -> str:
    """Return a path below the base URL, with one slash in front. Nothing may lead out of there."""
    path = text(name, value)
    if not is_relative_path(path):
        raise ValueError(
            f"{name} must be relative to the base URL, such as /payouts/po_1, and hold "
            "nothing but names; give a query as params."
        )
    return "/" + path.removeprefix("/").removesuffix("/")


def is_relative_path(path: str) -> bool:
    """Tell whether a path stays below the base URL."""
    segments = path.removeprefix("/").removesuffix("/").split("/")
    plain = [unquote(segment) for segment in segments]
    leads_out = {"", ".", ".."} & {*plain} or "/" in "".join(plain)
    return bool(_PATH.fullmatch(path)) and not leads_out


def _url(name: str, value: object) -> str:
    checked = text(name, value)
    if not re.match(r"https?://[^\s/]", checked) or not checked.isprintable():
        raise ValueError(f"{name} must be a URL that begins with https:// (or http://).")
    return checked


def _metadata(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict of texts, not {type(value).__name__}.")
    return {text(f"a key of {name}", key): text(f"{name}[{key!r}]", v) for key, v in value.items()}


def _event_types(name: str, value: object) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name} must be a list of event types, not {type(value).__name__}.")
    if not value:
        raise ValueError(f'{name} must name at least one event type, or be ["*"].')
    return [text(f"an entry of {name}", item) for item in value]


def _moments(name: str, value: object) -> dict[str, int]:
    if not isinstance(value, Mapping) or set(value) - set(_BOUNDS) or not value:
        raise TypeError(f"{name} must be a dict with {', '.join(_BOUNDS)}.")
    return {bound: _moment(f"{name}[{bound!r}]", moment) for bound, moment in value.items()}


def _moment(name: str, value: object) -> int:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} must be a datetime with a time zone, or unix seconds.")
        return int(value.timestamp())
    return integer(name, value)


def check_headers(name: str, value: object) -> tuple[tuple[str, str], ...]:
    """Return headers that may be sent beside the client's own."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}.")
    return tuple(_header(name, key, content) for key, content in value.items())


def _header(name: str, key: object, content: object) -> tuple[str, str]:
    if not isinstance(key, str) or not isinstance(content, str):
        raise TypeError(f"{name} must map str to str.")
    if not _HEADER_NAME.fullmatch(key) or not (content.isascii() and content.isprintable()):
        raise ValueError(f"{name} must be names and values of printable ASCII.")
    if key.lower() in _OWN_HEADERS:
        raise ValueError(f"{name} must not set {key}: the client does. Use its own argument.")
    return key, content


def _extra(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}.")
    return {text(f"a key of {name}", key): content for key, content in value.items()}


def _key(_: str, value: object) -> str:
    return check_key(value)


def _card(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {type(value).__name__}.")
    return checked(Card, value)


class CallOptions(TypedDict, total=False):
    """The options of every call."""

    idempotency_key: Annotated[str | None, _key]
    """PaySafer carries out calls with the same key once. POST and PATCH get a fresh key if
    none is given. At most 255 characters of printable ASCII."""
    timeout: Annotated[float | None, seconds]
    """Seconds that one attempt may take. None: the client's."""
    deadline: Annotated[float | None, seconds]
    """Seconds that the whole call may take, with its retries and waits. None: the client's."""
    max_retries: Annotated[int | None, integer]
    """How many more attempts may follow the first. None: the client's."""
    headers: Annotated[Mapping[str, str] | None, check_headers]
    """Request headers to send beside the client's own."""
    extra: Annotated[Mapping[str, Any] | None, _extra]
    """Parameters that this version does not know. They are sent as they are: in the JSON body
    of a POST, PATCH or PUT, else in the query."""


class CreatePayment(CallOptions, total=False):
    """The parameters of ``client.payments.create``."""

    amount: Required[Annotated[int, _amount]]
    """Minor units: 15000 for AED 150.00."""
    currency: Required[Annotated[str, _currency]]
    """ISO 4217 code, such as ``aed``."""
    payment_method: Annotated[str | None, _identifier]
    """A payment method (``pm_…``) or an unused token (``tok_…``)."""
    description: Annotated[str | None, text]
    """A description of the payment."""
    customer: Annotated[str | None, _identifier]
    """The id of a customer (``cus_…``)."""
    metadata: Annotated[Mapping[str, str] | None, _metadata]
    """Texts of your own, which PaySafer keeps and returns."""
    receipt_email: Annotated[str | None, text]
    """Where PaySafer sends the receipt."""
    capture_method: Annotated[str | None, text]
    """``automatic`` (at once, the default) or ``manual`` (``capture`` later)."""
    confirm: Annotated[bool | None, _flag]
    """False lets the payment wait for ``confirm``."""
    return_url: Annotated[str | None, _url]
    """Where the cardholder comes back to after authentication."""
    save_payment_method: Annotated[bool | None, _flag]
    """True keeps the card: the payment's ``payment_method`` is then a ``pm_…`` of the
    customer's, which can be charged again."""
    off_session: Annotated[bool | None, _flag]
    """True says that the customer is not there. A card that needs the bank's word is then
    declined with the code ``authentication_required``."""


class CapturePayment(CallOptions, total=False):
    """The parameters of ``client.payments.capture`` beside the payment\'s id."""

    amount: Annotated[int | None, _amount]
    """Minor units, at most the payment's amount. None: all of it."""


class RefundPayment(CallOptions, total=False):
    """The parameters of ``client.payments.refund`` beside the payment\'s id."""

    amount: Annotated[int | None, _amount]
    """Minor units, at most what has not been given back. None: all of it."""
    reason: Annotated[str | None, text]
    """Why the money is given back, such as ``requested_by_customer``."""


class ConfirmPayment(CallOptions, total=False):
    """The parameters of ``client.payments.confirm`` beside the payment\'s id."""

    payment_method: Annotated[str | None, _identifier]
    """A payment method (``pm_…``) or an unused token (``tok_…``)."""
    return_url: Annotated[str | None, _url]
    """Where the cardholder comes back to after authentication."""


class UpdateCustomer(CallOptions, total=False):
    """The parameters of ``client.customers.update`` beside the customer\'s id."""

    email: Annotated[str | None, text]
    """The customer's e-mail address."""
    name: Annotated[str | None, text]
    """The customer's name."""
    phone: Annotated[str | None, text]
    """The customer's telephone number."""
    metadata: Annotated[Mapping[str, str] | None, _metadata]
    """Texts of your own, which PaySafer keeps and returns."""


class CreateCustomer(UpdateCustomer, total=False):
    """The parameters of ``client.customers.create``."""


class CreateWebhookEndpoint(CallOptions, total=False):
    """The parameters of ``client.webhook_endpoints.create``."""

    url: Required[Annotated[str, _url]]
    """The address that events are sent to."""
    enabled_events: Annotated[Sequence[str] | None, _event_types]
    """Event types; None or ``["*"]`` for all."""


class Card(TypedDict, total=False):
    """Card data, for ``client.tokens.create``."""

    number: Required[Annotated[str, text]]
    """The card number, as text."""
    exp_month: Required[Annotated[int, integer]]
    """The month of expiry, 1 to 12."""
    exp_year: Required[Annotated[int, integer]]
    """The year of expiry, four digits."""
    cvc: Annotated[str, text]
    """The verification code on the card."""
    name: Annotated[str, text]
    """The cardholder's name."""


class CreateToken(CallOptions, total=False):
    """The parameters of ``client.tokens.create``."""

    card: Required[Annotated[Card, _card]]
    """The card that is to become a token."""


class ListParameters(CallOptions, total=False):
    """The parameters of every ``list``."""

    limit: Annotated[int | None, _page_size]
    """Objects on a page, 1 to 100; PaySafer's default is 10."""
    starting_after: Annotated[str | None, _identifier]
    """The id of the object that the page begins after."""
    ending_before: Annotated[str | None, _identifier]
    """The id of the object that the page ends before; iterating goes to newer ones."""
    created: Annotated[Mapping[str, int | datetime] | None, _moments]
    """``{"gte": …, "lt": …}`` in unix seconds or aware datetimes."""


@functools.cache
def checks(parameters: type) -> dict[str, Check]:
    """Return the check of each field of one of the types above."""
    hints = get_type_hints(parameters, include_extras=True)
    return {name: _check_of(hint) for name, hint in hints.items()}


def _check_of(hint: Any) -> Check:
    if get_origin(hint) is Required:
        (hint,) = get_args(hint)
    check: Check = hint.__metadata__[0]
    return check


def checked(parameters: type, given: Mapping[str, object]) -> dict[str, Any]:
    """Return the arguments of a call, checked, without those that are None.

    :raises TypeError: for an argument that is unknown, missing or of the wrong type.
    :raises ValueError: for one that has a wrong value.
    """
    known = checks(parameters)
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TypeError(f"got an unexpected keyword argument {unknown[0]!r}")
    arguments = {
        name: known[name](name, value) for name, value in given.items() if value is not None
    }
    for name in known:
        if name not in arguments and name in parameters.__required_keys__:  # type: ignore[attr-defined]  # it is a TypedDict
            raise TypeError(f"missing required keyword argument {name!r}")
    return arguments
