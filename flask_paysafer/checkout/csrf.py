"""Protect the checkout's form against requests forged on other sites.

A random value lives in the customer's session and in the form; both must be the
same. Where the app uses Flask-WTF's ``CSRFProtect``, its field is in the form too,
so that it lets the form pass.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from flask import current_app, session
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
