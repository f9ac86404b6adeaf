"""Accept the checkout's forms: made for this session, and free of card data.

What a customer has just done is noted in the session by the form's POST, never in an address:
a page that is opened, by a link on another site or by the back button, does nothing. The same
note lets a customer who has paid see that, whatever the order loader answers by then.

A random value is in the customer's session and in the form; both must be the same. Where
the app uses Flask-WTF's ``CSRFProtect``, its field is in the form too, so that it lets
the form pass.

Card data is refused. Our form can't send any: its card inputs have no name. A merchant's
own template could, and then the shop would have handled card numbers. Nothing that is
refused is logged.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Literal

from flask import current_app, request, session
from markupsafe import Markup

from ..errors import ConfigurationError

FIELD = "paysafer_csrf"
_IN_SESSION = "_paysafer_csrf"


def csrf_fields() -> Markup:
    """Return the hidden inputs of a form.

    :raises ConfigurationError: if the app has no ``SECRET_KEY`` to sign sessions with.
    """
    return _hidden(FIELD, _token()) + _flask_wtf_field()


def is_genuine(form: Mapping[str, str]) -> bool:
    """Tell whether the form was made for this session."""
    expected = session.get(_IN_SESSION)
    given = form.get(FIELD, "")
    return isinstance(expected, str) and secrets.compare_digest(expected.encode(), given.encode())


def session_problem() -> Literal["no_cookie", "unreadable"] | None:
    """Tell why the session that a form was made for is not there, if it is not.

    ``no_cookie``: the browser sent none. ``unreadable``: it sent one that this worker can't
    read, which was signed with another ``SECRET_KEY`` or is too old.
    """
    if isinstance(session.get(_IN_SESSION), str):
        return None
    name = current_app.config.get("SESSION_COOKIE_NAME", "session")
    return "unreadable" if request.cookies.get(name) else "no_cookie"


_ORDERS = "_paysafer_orders"
_MOST_ORDERS = 8


def note_order(account: str, reference: str, *, success_url: str, locale: str | None) -> None:
    """Note in the session that this customer has just acted on an order's checkout."""
    orders: dict[str, dict[str, str | bool | None]] = dict(session.get(_ORDERS) or {})
    orders.pop(f"{account} {reference}", None)
    orders[f"{account} {reference}"] = {"url": success_url, "locale": locale, "go": True}
    while len(orders) > _MOST_ORDERS:
        orders.pop(next(iter(orders)))
    session[_ORDERS] = orders


def noted_order(account: str, reference: str) -> tuple[str, str | None] | None:
    """Return the success address and the language of an order that this customer acted on."""
    note = _note_of(account, reference)
    return None if note is None else (str(note.get("url") or "/"), note.get("locale"))


def take_go(account: str, reference: str) -> bool:
    """Tell once, after a form's POST, that the customer wants to go on at once."""
    note = _note_of(account, reference)
    if note is None or not note.get("go"):
        return False
    orders = dict(session[_ORDERS])
    orders[f"{account} {reference}"] = {**note, "go": False}
    session[_ORDERS] = orders
    return True


def _note_of(account: str, reference: str) -> dict[str, str | None] | None:
    orders = session.get(_ORDERS)
    note = orders.get(f"{account} {reference}") if isinstance(orders, dict) else None
    return note if isinstance(note, dict) else None


def _token() -> str:
    if not current_app.secret_key:
        raise ConfigurationError(
            "The checkout needs the app's SECRET_KEY: it protects the form against forged "
            "requests. Set it to a long random value that all workers share."
        )
    if not isinstance(session.get(_IN_SESSION), str):
        session[_IN_SESSION] = secrets.token_urlsafe(32)
    token: str = session[_IN_SESSION]
    return token


def _flask_wtf_field() -> Markup:
    if "csrf" not in current_app.extensions:
        return Markup()
    from flask_wtf.csrf import generate_csrf

    return _hidden(current_app.config.get("WTF_CSRF_FIELD_NAME", "csrf_token"), generate_csrf())


def _hidden(name: str, value: str) -> Markup:
    return Markup('<input type="hidden" name="%s" value="%s">') % (name, value)


_CARD_NAMES = re.compile(
    r"(card|cc)?[-_ ]?(number|num|no|cvc|cvv|csc|cvc2|cvv2|exp|expiry|expiration)"
    r"|exp[-_ ]?(month|year|date)|pan|card",
    re.IGNORECASE,
)
_LIKE_A_NUMBER = re.compile(r"[0-9](?:[ -]?[0-9]){11,18}")


def holds_card_data(fields: Iterable[tuple[str, str]]) -> bool:
    """Tell whether any field is named like a card's, or holds a card number."""
    return any(_is_card_name(name) or _holds_number(value) for name, value in fields)


def _is_card_name(name: str) -> bool:
    return _CARD_NAMES.fullmatch(name) is not None


def _holds_number(value: str) -> bool:
    return any(passes_luhn(found.group()) for found in _LIKE_A_NUMBER.finditer(value))


def passes_luhn(text: str) -> bool:
    """Tell whether the digits in ``text`` end in the check digit that card numbers have."""
    digits = [int(character) for character in reversed(text) if character.isdigit()]
    doubled = [digit * 2 - 9 if digit > 4 else digit * 2 for digit in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
