"""Whose call it is: every account has a test side and a live side, apart from each other."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from .failures import ApiError

Mode = Literal["test", "live"]

_KEY = re.compile(r"(sk|pk)_(test|live)_([A-Za-z0-9_\-]{8,255})")
_ACCOUNT = re.compile(r"[A-Za-z0-9_\-]{8,255}")


class Realm(NamedTuple):
    """One side of one account: what its keys can see."""

    account: str
    mode: Mode

    @property
    def livemode(self) -> bool:
        """Whether objects of this side say ``"livemode": true``."""
        return self.mode == "live"


class Caller(NamedTuple):
    """Who a request comes from, by its key."""

    realm: Realm
    is_secret: bool


def identify(authorization: str | None) -> Caller:
    """Return who the ``Authorization`` header names.

    :raises ApiError: 401 for a missing or malformed key.
    """
    if authorization is None or not authorization.strip():
        raise ApiError(
            "api_key_missing",
            "You did not provide an API key. Send it in the header: "
            "Authorization: Bearer sk_test_… (any 8 or more letters and digits after it).",
        )
    scheme, _, key = authorization.strip().partition(" ")
    match = _KEY.fullmatch(key.strip())
    if scheme.lower() != "bearer" or match is None:
        raise ApiError(
            "api_key_invalid",
            "Invalid API key. The sandbox takes sk_test_, sk_live_, pk_test_ or pk_live_ "
            "followed by 8 or more letters, digits, - or _, as a Bearer token.",
        )
    mode: Mode = "live" if match[2] == "live" else "test"
    return Caller(Realm(match[3], mode), is_secret=match[1] == "sk")


def is_account(name: str) -> bool:
    """Tell whether ``name`` could be what follows ``sk_test_`` in a key, and is no whole key."""
    return _ACCOUNT.fullmatch(name) is not None and _KEY.fullmatch(name) is None
